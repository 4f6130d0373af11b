"""Services for faces: recognition, enrollment, people, bulk import and re-embedding."""
