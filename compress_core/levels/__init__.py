"""The values a quantized weight may take: evenly spaced, powers of two, a table, a table times a scale.

Each kind knows how to find the nearest level of a weight (`encode`), what a code stands for
(`decode`), both in one pass (`quantize_into`), and what must be stored beside the codes (`stored`).
"""
