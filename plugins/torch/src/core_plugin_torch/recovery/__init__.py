"""Recovery: fine-tuning with the user's rows, distilling from the original model."""
