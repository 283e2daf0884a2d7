"""How good a model is: its structure sets held against drawn ones, summed up, shown and compared.

What is judged is the file that the pipeline writes, filled at pixel centres on the grid of what was
drawn, never a network's own output.
"""
