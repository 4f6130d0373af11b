"""Tests of app/store/db."""
