"""The jobs: optimize a model, run one step, benchmark, load. The command line is their shell."""
