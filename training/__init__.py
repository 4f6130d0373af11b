"""Where the models of Sima are trained, measured and exported. The service never imports this."""
