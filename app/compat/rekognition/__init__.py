"""The face operations of Amazon Rekognition: `POST /` with the header X-Amz-Target."""
