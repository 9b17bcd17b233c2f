"""OpenAI's interface: what its clients send, and what they rely on in the answers."""
