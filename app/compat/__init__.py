"""APIs of other services, on top of the services of this one. Off unless SIMA_COMPAT names them."""
