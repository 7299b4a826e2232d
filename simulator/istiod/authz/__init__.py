"""Authorization: what AuthorizationPolicies become in a proxy that receives."""
