use kernel::Timestamp;
use kernel::http::ClientInfo;
use kernel::ids::{ConnectionId, EnvironmentId, OrganizationId, ProfileId, SignInId};
use store::{
    Column, Db, Error, FromColumn, FromRow, Keyset, Page, PageRequest, Param, Row, Select, Tx, params,
};

use super::routes::SignIn;
use super::{Flow, Refusal, Request, Status};
use crate::answer::Assertion;

impl From<Status> for Param<'_> {
    fn from(status: Status) -> Self {
        Param::Text(status.as_str().into())
    }
}

impl FromColumn for Status {
    fn from_column(value: Column<'_>) -> Result<Self, Error> {
        match String::from_column(value)?.as_str() {
            "started" => Ok(Self::Started),
            "authorized" => Ok(Self::Authorized),
            "succeeded" => Ok(Self::Succeeded),
            "failed" => Ok(Self::Failed),
            other => Err(Error::Row(format!("{other:?} is not a sign-in status"))),
        }
    }
}

impl FromRow for Flow {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.next()?,
            environment: row.next()?,
            organization_id: row.next()?,
            connection_id: row.next()?,
            status: row.next()?,
            handle: row.next()?,
            browser_hash: row.next()?,
            request: Request {
                redirect_uri: row.next()?,
                state: row.next()?,
                code_challenge: row.next()?,
                login_hint: row.next()?,
                force_authentication: row.next()?,
            },
            request_id: row.next()?,
            request_secret: row.next()?,
            client: ClientInfo { ip_address: row.next()?, user_agent: row.next()? },
            created_at: row.next()?,
            expires_at: row.next()?,
        })
    }
}

pub(super) async fn insert(tx: &mut Tx, flow: &Flow) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO sign_ins (id, environment_id, organization_id, connection_id, status, handle, \
         browser_hash, redirect_uri, state, code_challenge, login_hint, force_authentication, request_id, \
         request_secret, ip_address, user_agent, created_at, updated_at, expires_at) \
         VALUES ($1, $2, $3, $4, 'started', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        params![
            flow.id,
            flow.environment,
            flow.organization_id,
            flow.connection_id,
            &flow.handle,
            &flow.browser_hash,
            &flow.request.redirect_uri,
            flow.request.state.as_deref(),
            flow.request.code_challenge.as_deref(),
            flow.request.login_hint.as_deref(),
            flow.request.force_authentication,
            &flow.request_id,
            flow.request_secret.as_deref(),
            flow.client.ip_address.as_deref(),
            flow.client.user_agent.as_deref(),
            flow.created_at,
            flow.created_at,
            flow.expires_at
        ],
    )
    .await
    .map(drop)
}

/// The flow a `RelayState` or `state` names.
pub(crate) async fn by_handle(db: &Db, handle: &str) -> Result<Option<Flow>, Error> {
    db.read_one(
        "SELECT id, environment_id, organization_id, connection_id, status, handle, browser_hash, \
         redirect_uri, state, code_challenge, login_hint, force_authentication, request_id, request_secret, \
         ip_address, user_agent, created_at, expires_at FROM sign_ins WHERE handle = $1",
        params![handle],
    )
    .await
}

/// `false` if this assertion was accepted before.
pub(super) async fn remember_assertion(
    tx: &mut Tx,
    connection: ConnectionId,
    assertion: &Assertion,
) -> Result<bool, Error> {
    let inserted = tx
        .execute(
            "INSERT INTO saml_assertions (connection_id, assertion_id, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING",
            params![connection, assertion.id.as_str(), assertion.until],
        )
        .await?;
    Ok(inserted == 1)
}

/// Whether people of any e-mail domain may sign in to this organization.
pub(super) async fn allows_profiles_outside(tx: &mut Tx, id: OrganizationId) -> Result<bool, Error> {
    let allows: Option<bool> = tx
        .query_one("SELECT allow_profiles_outside_organization FROM organizations WHERE id = $1", params![id])
        .await?;
    Ok(allows.unwrap_or(false))
}

/// Whether the flow still waits for an answer.
pub(super) async fn is_running(tx: &mut Tx, flow: &Flow, now: Timestamp) -> Result<bool, Error> {
    let running: Option<i64> = tx
        .query_one(
            "SELECT 1 FROM sign_ins WHERE environment_id = $1 AND id = $2 AND status = 'started' \
             AND expires_at > $3",
            params![flow.environment, flow.id, now],
        )
        .await?;
    Ok(running.is_some())
}

/// Notes the code of a flow that is running, and whom it is for.
pub(super) async fn authorize(
    tx: &mut Tx,
    flow: &Flow,
    profile: ProfileId,
    email: &str,
    code_hash: &str,
    code_expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "UPDATE sign_ins SET status = 'authorized', profile_id = $1, email = $2, code_hash = $3, \
         code_expires_at = $4, updated_at = $5 WHERE id = $6",
        params![profile, email, code_hash, code_expires_at, now, flow.id],
    )
    .await
    .map(drop)
}

/// `false` if the flow isn't waiting for an answer any more.
pub(super) async fn fail(
    tx: &mut Tx,
    flow: &Flow,
    refusal: &Refusal,
    email: Option<&str>,
    now: Timestamp,
) -> Result<bool, Error> {
    let updated = tx
        .execute(
            "UPDATE sign_ins SET status = 'failed', failure_code = $1, failure_message = $2, email = $3, \
             updated_at = $4 WHERE id = $5 AND status = 'started'",
            params![refusal.code, &refusal.message, email, now, flow.id],
        )
        .await?;
    Ok(updated == 1)
}

/// `false` if the code isn't waiting to be exchanged any more.
pub(super) async fn fail_authorized(
    tx: &mut Tx,
    id: SignInId,
    refusal: &Refusal,
    now: Timestamp,
) -> Result<bool, Error> {
    let updated = tx
        .execute(
            "UPDATE sign_ins SET status = 'failed', failure_code = $1, failure_message = $2, \
             updated_at = $3 WHERE id = $4 AND status = 'authorized'",
            params![refusal.code, &refusal.message, now, id],
        )
        .await?;
    Ok(updated == 1)
}

/// A sign-in whose code is shown at the token endpoint.
pub(crate) struct Exchanged {
    pub id: SignInId,
    pub environment: EnvironmentId,
    pub organization_id: Option<OrganizationId>,
    pub connection_id: ConnectionId,
    pub profile_id: ProfileId,
    pub status: Status,
    pub code_challenge: Option<String>,
    pub code_expires_at: Timestamp,
    pub email: String,
    pub client: ClientInfo,
}

impl FromRow for Exchanged {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.next()?,
            environment: row.next()?,
            organization_id: row.next()?,
            connection_id: row.next()?,
            profile_id: row.next()?,
            status: row.next()?,
            code_challenge: row.next()?,
            code_expires_at: row.next()?,
            email: row.next()?,
            client: ClientInfo { ip_address: row.next()?, user_agent: row.next()? },
        })
    }
}

/// The sign-in a code belongs to, within its environment.
pub(crate) async fn by_code(
    tx: &mut Tx,
    environment: EnvironmentId,
    code_hash: &str,
) -> Result<Option<Exchanged>, Error> {
    tx.query_one(
        "SELECT id, environment_id, organization_id, connection_id, profile_id, status, code_challenge, \
         code_expires_at, email, ip_address, user_agent FROM sign_ins \
         WHERE environment_id = $1 AND code_hash = $2",
        params![environment, code_hash],
    )
    .await
}

/// Takes the code; `false` if it was taken before.
pub(crate) async fn exchange(tx: &mut Tx, id: SignInId, now: Timestamp) -> Result<bool, Error> {
    let updated = tx
        .execute(
            "UPDATE sign_ins SET status = 'succeeded', updated_at = $1 WHERE id = $2 AND status = 'authorized'",
            params![now, id],
        )
        .await?;
    Ok(updated == 1)
}

/// Ends the tokens of a sign-in whose code was shown twice (RFC 6749 §4.1.2).
pub(crate) async fn revoke_tokens(tx: &mut Tx, id: SignInId, now: Timestamp) -> Result<(), Error> {
    tx.execute(
        "UPDATE sign_ins SET tokens_revoked_at = $1 WHERE id = $2 AND tokens_revoked_at IS NULL",
        params![now, id],
    )
    .await
    .map(drop)
}

impl FromRow for SignIn {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            object: "sign_in",
            id: row.next()?,
            organization_id: row.next()?,
            connection_id: row.next()?,
            profile_id: row.next()?,
            status: row.next::<Status>()?.as_str(),
            email: row.next()?,
            failure: SignIn::failure(row.next()?, row.next()?),
            ip_address: row.next()?,
            user_agent: row.next()?,
            created_at: row.next()?,
            updated_at: row.next()?,
        })
    }
}

/// What the list of sign-ins is narrowed by.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub connection: Option<ConnectionId>,
    pub status: Option<Status>,
}

pub(super) async fn list(
    db: &Db,
    environment: EnvironmentId,
    filter: Filter,
    page: &PageRequest,
) -> Result<Page<SignIn>, Error> {
    let mut select = Select::new(
        "SELECT id, organization_id, connection_id, profile_id, status, email, failure_code, \
         failure_message, ip_address, user_agent, created_at, updated_at FROM sign_ins \
         WHERE environment_id = ?",
        [environment.into()],
    );
    if let Some(connection) = filter.connection {
        select = select.and("connection_id = ?", [connection.into()]);
    }
    if let Some(status) = filter.status {
        select = select.and("status = ?", [status.into()]);
    }
    select.page(db, Keyset::Created { created: "created_at", id: "id" }, page).await
}

pub(super) async fn get(db: &Db, environment: EnvironmentId, id: SignInId) -> Result<Option<SignIn>, Error> {
    db.read_one(
        "SELECT id, organization_id, connection_id, profile_id, status, email, failure_code, \
         failure_message, ip_address, user_agent, created_at, updated_at FROM sign_ins \
         WHERE environment_id = $1 AND id = $2",
        params![environment, id],
    )
    .await
}

/// Marks sign-ins that began before `before` and were neither finished nor marked yet, and returns them. The
/// conditions stand outside again for rows that another transaction was just changing: only those outside are
/// looked at anew once it has committed.
pub(super) async fn time_out(
    tx: &mut Tx,
    before: Timestamp,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Flow>, Error> {
    tx.query(
        "UPDATE sign_ins SET timed_out_at = $1 WHERE id IN (SELECT id FROM sign_ins \
         WHERE status IN ('started', 'authorized') AND timed_out_at IS NULL AND created_at < $2 \
         ORDER BY created_at LIMIT $3) AND timed_out_at IS NULL AND status IN ('started', 'authorized') \
         RETURNING id, environment_id, organization_id, connection_id, status, handle, browser_hash, \
         redirect_uri, state, code_challenge, login_hint, force_authentication, request_id, request_secret, \
         ip_address, user_agent, created_at, expires_at",
        params![now, before, limit],
    )
    .await
}

/// Removes records that began before `before`.
pub(super) async fn remove_older(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64, Error> {
    tx.execute(
        "DELETE FROM sign_ins WHERE id IN (SELECT id FROM sign_ins WHERE created_at < $1 \
         ORDER BY created_at LIMIT $2)",
        params![before, limit],
    )
    .await
}

/// Forgets assertions that would be refused for their age by now.
pub(super) async fn forget_assertions(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<u64, Error> {
    tx.execute(
        "DELETE FROM saml_assertions WHERE (connection_id, assertion_id) IN (SELECT connection_id, assertion_id \
         FROM saml_assertions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        params![now, limit],
    )
    .await
}
