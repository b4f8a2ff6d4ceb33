"""The viewer: one page that draws exported samples in the browser, and what hands samples to it.

`web/` holds the page's own HTML, CSS and JavaScript; `page` puts them into one file. Samples come
from a folder beside it (`site`), from a server (`server`), or with it (`single`); `facts` says what
its list knows of a sample. Imports `exports` and what is below it.
"""
