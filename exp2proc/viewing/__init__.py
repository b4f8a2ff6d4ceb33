"""What is shown of samples: scores summed up, shares of mass, tokens drawn."""
