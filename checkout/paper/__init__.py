"""A quote as a PDF file, to send to somebody: GET /q/<token or folio>/pdf.

document: what the file says; layout: a program that draws it; page: the view, which bounds how many are drawn at once.
"""
