-- docs/spec/store.md §1.4
CREATE TABLE validator_owner (
    validator         text   PRIMARY KEY,
    owner             bigint NOT NULL,
    salt              bytea  NOT NULL CHECK (length(salt) = 32),
    number            bigint NOT NULL,
    chain             bytea  NOT NULL CHECK (length(chain) = 32),
    system_identifier bigint NOT NULL,
    timeline          bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE validator_frame (
    validator text   NOT NULL,
    number    bigint NOT NULL CHECK (number > 0),
    content   bytea  NOT NULL,
    chain     bytea  NOT NULL CHECK (length(chain) = 32),
    PRIMARY KEY (validator, number)
);
