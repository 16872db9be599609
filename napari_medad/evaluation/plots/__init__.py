"""Figures of evaluations, drawn by matplotlib without a window or a global state."""
