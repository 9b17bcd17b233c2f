"""A user's own documents as lessons: conversations made from them without any model, and an exam apart."""
