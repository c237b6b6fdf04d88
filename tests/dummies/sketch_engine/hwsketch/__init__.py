"""An engine of a few lines for classifiers of texts, so that a whole optimize takes seconds."""
