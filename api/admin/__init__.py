"""The admin pages: the service seen through a browser. Server-rendered, without a line of script.

signing: who is signed in; pages: how a page is made and refused; memory, browsing, asking, settling, work,
access: the pages; filters: what narrows them; drawing: the figures in them.
"""
