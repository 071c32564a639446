"""Amazon Rekognition's wire: JSON 1.1 with SigV4, so that an unmodified boto3 is a client.

Amazon's words (collection, face id, similarity) stay in here.
"""
