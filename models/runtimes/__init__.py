"""What runs a network; each file implements `contouring.recipe.Predictor`."""
