"""Notify staff of new and unanswered leads, and send a daily heartbeat."""
