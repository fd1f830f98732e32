-- What was paid of a billing by a day follows from the allocation of payments; nothing asks this any more.

DROP FUNCTION smile.paid_by(smile.billing, date);
