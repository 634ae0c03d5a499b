"""What staff corrected of a name and a phone holds for whatever arrives later with the wrong ones.

So a late delivery, a replay of the outbox and a customer who sends the same form again come to the corrected lead, and
change nothing back. Somebody else, who asks for the same quote with the wrong phone later on, is a lead of their own.
"""

# Joins to an arriving row `a` the name and the phone that staff gave it, NULL for none. A new name that the customer
# sends themself, which nobody has corrected, is newer than the correction. Of several corrections of a lead, the one of
# this name counts; a lead that has this phone now comes before one that had it.
MEANT = """LEFT JOIN LATERAL (
        SELECT own.phone, CASE
            WHEN known.name = a.name AND known.name <> known.new_name THEN own.name ELSE a.name
        END AS name
        FROM lead_corrections AS known JOIN leads AS own ON own.id = known.lead_id
        WHERE known.folio = a.folio AND known.taken_back_at IS NULL AND a.phone > '' AND own.phone > '' AND (
            own.phone = a.phone OR known.phone = a.phone AND (
                a.submitted_at <= known.at OR lower(a.name) IN (lower(known.name), lower(own.name))
                OR a.visitor_id > '' AND a.visitor_id = own.visitor_id
            )
        )
        ORDER BY own.phone = a.phone DESC, known.name = a.name AND known.name <> known.new_name DESC, known.id DESC
        LIMIT 1
    ) AS meant ON true"""
