"""All routes of CompreFace's API."""

from fastapi import APIRouter

from app.compat.compreface import examples, recognition, subjects

router = APIRouter()
for _module in (subjects, examples, recognition):
    router.include_router(_module.router)
