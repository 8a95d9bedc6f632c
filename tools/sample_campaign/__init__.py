"""The parts of build_sample_campaign.py: packages to pictures, pictures to a campaign."""
