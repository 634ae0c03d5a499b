"""The pricing engine: price books, measuring, pricing, and the texts that explain a price.

Plain Python, without Django and without a clock.
"""
