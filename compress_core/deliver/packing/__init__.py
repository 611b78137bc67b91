"""The packed file: entropy coding of weights on integer frequencies, and a binary layout of its own."""
