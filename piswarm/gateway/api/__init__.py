"""What the routes of the gateway's API do, one module for each noun."""
