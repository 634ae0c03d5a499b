"""What filters the list besides its tab: set by hand in a form, by a tap on a source, or by a number of the desk.

All of it stands in the address by these names, is said above the list, and each part is removed with one tap. What has
no index is looked for among the first MOST_READ leads of the tab, so that a list never takes too long.
"""

SELLER, SINCE, UNTIL, LEAST, MOST = "seller", "since", "until", "least", "most"
PRODUCT, OUTCOME, SOURCE, CAMPAIGN, WITHOUT = "product", "outcome", "source", "campaign", "without"
NAMES = (SINCE, UNTIL, SELLER, LEAST, MOST, PRODUCT, SOURCE, CAMPAIGN, WITHOUT, OUTCOME)
# Of sellers: nobody has answered yet, or another program did, which has no user here.
NOBODY, ELSEWHERE = "nobody", "elsewhere"
# Each of these leads is read whole.
MOST_READ = 20_000
