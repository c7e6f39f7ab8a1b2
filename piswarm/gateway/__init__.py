"""The service in the cluster: the functions' API, their data plane and their page in the browser.

It ships inside an image of its own and imports nothing of piswarm but `piswarm.errors`.
"""
