"""HTTP v1: calls declared one by one, from which routes and the OpenAPI document are made."""
