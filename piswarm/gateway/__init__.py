"""The service in the cluster that carries requests, keeps the API and shows the page."""
