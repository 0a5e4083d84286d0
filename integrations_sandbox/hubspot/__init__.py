"""An imitation of HubSpot's CRM contacts, its properties and its e-mail opt-outs."""
