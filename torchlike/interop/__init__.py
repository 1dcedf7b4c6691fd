"""Exchange with other libraries: one module for each."""
