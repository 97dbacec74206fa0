"""How likely each rating value is: distributions, their likelihood, conformal intervals, rating histograms."""
