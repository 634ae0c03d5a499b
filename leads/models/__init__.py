"""All tables of leads."""

from leads.models.alerts import MAILTO as MAILTO
from leads.models.alerts import Alert as Alert
from leads.models.alerts import Recipient as Recipient
from leads.models.correction import LeadCorrection as LeadCorrection
from leads.models.desk import LeadDay as LeadDay
from leads.models.follow_up import Absence as Absence
from leads.models.follow_up import FollowUp as FollowUp
from leads.models.follow_up import FollowUpQuerySet as FollowUpQuerySet
from leads.models.follow_up import LeadOutcome as LeadOutcome
from leads.models.history import Erasure as Erasure
from leads.models.history import LeadEvent as LeadEvent
from leads.models.history import LeadNote as LeadNote
from leads.models.lead import BY_STAFF as BY_STAFF
from leads.models.lead import OLD_NOTE_WORDS as OLD_NOTE_WORDS
from leads.models.lead import PUT_ASIDE as PUT_ASIDE
from leads.models.lead import WAITS as WAITS
from leads.models.lead import Lead as Lead
from leads.models.lead import LeadKey as LeadKey
from leads.models.lead import LeadQuerySet as LeadQuerySet
from leads.models.lead import NameWords as NameWords
from leads.models.machines import Lease as Lease
from leads.models.machines import Machine as Machine
from leads.models.machines import WaitingCount as WaitingCount
