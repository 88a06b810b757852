-- The role that migrates is a member of the services' roles; see 0009_roles.sql of the engine.
-- +goose Up
-- +goose StatementBegin
do $$
declare
    made text;
begin
    foreach made in array array['shop_identity', 'shop_catalog', 'shop_basket', 'shop_ordering', 'shop_payment'] loop
        if not pg_has_role(current_user, made, 'usage') then
            execute format('grant %I to current_user', made);
        end if;
    end loop;
end $$;
-- +goose StatementEnd

-- +goose Down
select 1; -- memberships stay: they are the cluster's
