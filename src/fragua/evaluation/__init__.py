"""How good a model is: perplexity on text, exams graded by code."""
