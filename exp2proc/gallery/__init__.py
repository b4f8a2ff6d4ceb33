"""The gallery: a static site of exported samples, readable from a folder without a server."""
