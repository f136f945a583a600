-- How a switch writes numbers without a plus sign; see `domain/records/destinations.py`.
ALTER TABLE switches
    ADD COLUMN country_code         text CHECK (country_code ~ '^[1-9][0-9]{0,2}$'),
    ADD COLUMN national_prefix      text NOT NULL DEFAULT '0' CHECK (national_prefix ~ '^[0-9]{0,6}$'),
    ADD COLUMN international_prefix text NOT NULL DEFAULT '00'
        CHECK (international_prefix ~ '^[0-9]{1,6}$');
