"""What the pages of the dashboard share: texts, state, forms and figures."""
