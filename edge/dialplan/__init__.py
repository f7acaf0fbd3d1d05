"""The dial plan: which rule takes a call, why others do not, and what is wrong with the rules."""
