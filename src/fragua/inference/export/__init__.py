"""A model in other forms: two files (parameters and a program), Hugging Face's layout, GGUF; and in from others'."""
