"""The browser lab, served on loopback to one person without a login.

`app.create_app(settings)` builds the application, `serve.serve(port)` runs it; `tasks` are
what the worker processes do, `jobs` keeps them bounded, `guard` keeps strangers out.
"""
