"""From measured or given numbers to instances, quota and a deployment. Pure but for reading what it is given."""
