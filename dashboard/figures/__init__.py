"""Figures: values in, a drawing with its alternative text and its table out. No Streamlit here."""
