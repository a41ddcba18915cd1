//! Runs a whole conversation against the daemon whose base URL is the first argument, with the key that is the second,
//! through the generated crate.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Debug;
use std::path::PathBuf;

use amplifierd::apis::collections_api::{
    create_collection, delete_collection, get_collection, list_collections, CreateCollectionParams,
    DeleteCollectionParams, GetCollectionParams, ListCollectionsParams,
};
use amplifierd::apis::configuration::Configuration;
use amplifierd::apis::directories_api::{
    create_amplified_directory, delete_amplified_directory, get_amplified_directory, CreateAmplifiedDirectoryParams,
    DeleteAmplifiedDirectoryParams, GetAmplifiedDirectoryParams,
};
use amplifierd::apis::files_api::{
    create_file, delete_file, get_file, list_files, CreateFileParams, DeleteFileParams, GetFileParams, ListFilesParams,
};
use amplifierd::apis::messages_api::{
    delete_message, list_messages, send_message, update_message, DeleteMessageParams, ListMessagesParams,
    SendMessageError, SendMessageParams, UpdateMessageParams,
};
use amplifierd::apis::modules_api::{
    create_module_source, delete_module_source, get_module, list_modules, list_tools, replace_module_source,
    CreateModuleSourceParams, DeleteModuleSourceParams, GetModuleParams, ListModulesParams, ListToolsParams,
    ReplaceModuleSourceParams,
};
use amplifierd::apis::plans_api::{
    generate_mount_plan, get_session_mount_plan, GenerateMountPlanParams, GetSessionMountPlanParams,
};
use amplifierd::apis::profiles_api::{
    create_profile, delete_profile, get_profile, CreateProfileParams, DeleteProfileParams, GetProfileParams,
};
use amplifierd::apis::search_api::{search_messages, suggest_searches, SearchMessagesParams, SuggestSearchesParams};
use amplifierd::apis::service_api::{get_health, get_live, get_status};
use amplifierd::apis::sessions_api::{
    clean_up_sessions, complete_session, create_session, delete_session, delete_sessions, fork_session, get_session,
    get_session_lineage, get_session_profile, list_sessions, resume_session, CleanUpSessionsParams,
    CompleteSessionParams, CreateSessionParams, DeleteSessionParams, DeleteSessionsParams, ForkSessionParams,
    GetSessionError, GetSessionLineageParams, GetSessionParams, GetSessionProfileParams, ListSessionsParams,
    ResumeSessionParams,
};
use amplifierd::apis::transfer_api::{
    export_session, import_sessions, ExportSessionParams, ImportSessionsError, ImportSessionsParams,
};
use amplifierd::apis::Error as ApiError;
use amplifierd::models::{
    AgentOverlay, CleanUpRequest, CreateCollectionRequest, CreateDirectoryRequest, CreateProfileRequest,
    CreateSessionRequest, FilePart, FilePartType, ForkSessionRequest, HealthStatus, ImportReport, LivenessStatus,
    Message, MessagePatch, ModuleConfig, ModuleScope, ModuleSourceRequest, ModuleType, MountPlanDocument,
    MountPlanRequest, OnConflict, Part, PlanForm, Problem, Role, SearchMode, SendMessageRequest, ServiceState, Session,
    SessionDeletion, SessionFilter, SessionStatus, TextPart, TextPartType, ToolCallPart, ToolCallPartType, Transcript,
    UsageRequest,
};
use serde_json::{json, Value};

type Answer<T> = Result<T, Box<dyn Error>>;
type Object = HashMap<String, Value>;

const NOBODY: &str = "non-existent-session-id";
const PROFILE: &str = "clients/base";
const DIRECTORY: &str = "projects/atlas";
const PICTURE: &[u8] = b"\x89PNG\x00\xff\n";
const ODDITY: &str = "\0\u{2028}\u{feff}\u{202e}\u{1f600}";
const CONTENTS: [(&str, Role); 3] =
    [("What does “résumé” mean?", Role::User), ("A summary.", Role::Assistant), ("{\"found\": true}", Role::Tool)];

fn check(sentence: &str, holds: bool) -> Answer<()> {
    if holds {
        Ok(())
    } else {
        Err(sentence.into())
    }
}

fn equal<T: PartialEq<U> + Debug, U: Debug>(found: T, expected: U) -> Answer<()> {
    check(&format!("{found:?} came where {expected:?} was expected."), found == expected)
}

/// The problem of this status that was answered.
fn refused<T: Debug, E: Debug + 'static>(status: u16, answer: Result<T, ApiError<E>>) -> Answer<Problem> {
    match answer {
        Err(ApiError::ResponseError(response)) => {
            equal(response.status.as_u16(), status)?;
            let problem: Problem = serde_json::from_str(&response.content)?;
            equal(problem.status, i32::from(status))?;
            Ok(problem)
        }
        Err(error) => Err(error.into()),
        Ok(value) => Err(format!("{value:?} came where {status} was expected.").into()),
    }
}

fn object(value: Value) -> Answer<Object> {
    Ok(serde_json::from_value(value)?)
}

/// Generated methods send a body from a file.
fn written(name: &str, bytes: &[u8]) -> Answer<PathBuf> {
    std::fs::write(name, bytes)?;
    Ok(name.into())
}

fn everything() -> ListSessionsParams {
    ListSessionsParams {
        limit: None,
        cursor: None,
        sort: None,
        status: None,
        profile: None,
        amplified_dir: None,
        recursive: None,
        parent_session_id: None,
        created_after: None,
        created_before: None,
        updated_after: None,
        updated_before: None,
        name: None,
        label: None,
        archived: None,
        pinned: None,
        roots: None,
        ids: None,
        total: None,
    }
}

fn whole(session_id: &str) -> ListMessagesParams {
    ListMessagesParams {
        session_id: session_id.to_owned(),
        limit: None,
        after_sequence: None,
        before_sequence: None,
        role: None,
        id: None,
        order: None,
        open_calls: None,
    }
}

struct Conversation {
    daemon: Configuration,
}

impl Conversation {
    async fn prepare(&self) -> Answer<()> {
        let mut body = CreateProfileRequest::new(PROFILE.to_owned());
        let mut provider = ModuleConfig::new("provider".to_owned());
        provider.config = Some(object(json!({"limit": 7}))?);
        body.providers = Some(vec![provider]);
        let params = CreateProfileParams { create_profile_request: body, idempotency_key: None };
        let mut profile = create_profile(&self.daemon, params).await?;
        equal((profile.name.as_str(), profile.schema_version, profile.is_active), (PROFILE, 2, false))?;
        let warnings = profile.warnings.take().unwrap_or_default();
        equal(warnings.iter().map(|it| it.pointer.as_str()).collect::<Vec<_>>(), ["/providers/0"])?;
        equal(get_profile(&self.daemon, GetProfileParams { name: PROFILE.to_owned() }).await?, profile)?;
        let mut amplify = CreateDirectoryRequest::new(DIRECTORY.to_owned());
        amplify.default_profile = Some(PROFILE.to_owned());
        let params = CreateAmplifiedDirectoryParams { create_directory_request: amplify, idempotency_key: None };
        let directory = create_amplified_directory(&self.daemon, params).await?;
        equal(directory.default_profile_from.as_deref(), Some(DIRECTORY))?;
        let params = GetAmplifiedDirectoryParams { relative_path: DIRECTORY.to_owned() };
        equal(get_amplified_directory(&self.daemon, params).await?, directory)
    }

    async fn read_collections(&self) -> Answer<()> {
        let params = ListCollectionsParams { limit: None, cursor: None };
        equal(list_collections(&self.daemon, params).await?.len(), 0)?;
        let params = ListModulesParams { r#type: None, limit: None, cursor: None };
        equal(list_modules(&self.daemon, params).await?.len(), 0)?;
        let identifier = "clients/collection".to_owned();
        let body = CreateCollectionRequest::new(identifier.clone(), "/srv/collection".to_owned());
        let params = CreateCollectionParams { create_collection_request: body, idempotency_key: None };
        let detail = refused(422, create_collection(&self.daemon, params).await)?.detail;
        check(&detail, detail.contains("--collections-path"))?;
        refused(404, get_collection(&self.daemon, GetCollectionParams { identifier }).await)?;
        Ok(())
    }

    async fn run_with_collection(&self) -> Answer<()> {
        let body = CreateCollectionRequest::new("clients/collection".to_owned(), std::env::var("COLLECTION")?);
        let params = CreateCollectionParams { create_collection_request: body, idempotency_key: None };
        let added = create_collection(&self.daemon, params).await?;
        equal(
            (&added.profiles[0], &added.modules[0]),
            (&"collection/base".to_owned(), &"collection/tool/bash".to_owned()),
        )?;
        let params = GetCollectionParams { identifier: added.identifier.clone() };
        equal(&get_collection(&self.daemon, params).await?, &added)?;
        self.set_source_of_module(&added.modules[0]).await?;
        self.make_plans(&added.profiles[0]).await?;
        delete_collection(&self.daemon, DeleteCollectionParams { identifier: added.identifier }).await?;
        let params = ListModulesParams { r#type: None, limit: None, cursor: None };
        equal(list_modules(&self.daemon, params).await?.len(), 0)
    }

    async fn set_source_of_module(&self, id: &str) -> Answer<()> {
        let params = ListModulesParams { r#type: Some(ModuleType::Tool), limit: None, cursor: None };
        let tools = list_tools(&self.daemon, ListToolsParams { limit: None, cursor: None }).await?;
        equal((list_modules(&self.daemon, params).await?[0].id.as_str(), tools[0].id.as_str()), (id, id))?;
        let read = || GetModuleParams { module_id: id.to_owned() };
        let module = get_module(&self.daemon, read()).await?;
        equal((module.name.as_str(), module.sources), ("tool-bash", None))?;
        let first = || CreateModuleSourceParams {
            module_id: id.to_owned(),
            module_source_request: ModuleSourceRequest::new("git+https://example.com/a".to_owned()),
            idempotency_key: None,
        };
        let source = create_module_source(&self.daemon, first()).await?;
        equal((source.module_id.as_str(), source.scope), (id, ModuleScope::Project))?;
        refused(409, create_module_source(&self.daemon, first()).await)?;
        let second = ReplaceModuleSourceParams {
            module_id: id.to_owned(),
            module_source_request: ModuleSourceRequest::new("git+https://example.com/b".to_owned()),
        };
        let replaced = replace_module_source(&self.daemon, second).await?;
        equal(get_module(&self.daemon, read()).await?.sources, Some(vec![replaced]))?;
        let remove = || DeleteModuleSourceParams { module_id: id.to_owned(), scope: None };
        delete_module_source(&self.daemon, remove()).await?;
        refused(404, delete_module_source(&self.daemon, remove()).await)?;
        Ok(())
    }

    async fn make_plans(&self, profile: &str) -> Answer<()> {
        let agent = format!("{profile}.agent.zen");
        let overlay = AgentOverlay { content: Some("Be quick.".to_owned()), ..AgentOverlay::new() };
        let mut request = MountPlanRequest::new(profile.to_owned());
        request.agent_overlay = Some(HashMap::from([("zen".to_owned(), overlay)]));
        let params = GenerateMountPlanParams { mount_plan_request: request, form: None };
        let MountPlanDocument::Mounts(generated) = generate_mount_plan(&self.daemon, params).await? else {
            return Err("The plan generated is not of mounts.".into());
        };
        equal(generated.mount_points.iter().map(|mount| mount.resolved).collect::<Vec<_>>(), [true, true])?;
        equal(generated.agents[&agent].content.as_deref(), Some("Be quick."))?;
        let session = self
            .create(CreateSessionRequest { profile: Some(profile.to_owned()), ..CreateSessionRequest::new() })
            .await?;
        let read = |form: Option<PlanForm>| GetSessionMountPlanParams { session_id: session.id.clone(), form };
        let MountPlanDocument::Mounts(plan) = get_session_mount_plan(&self.daemon, read(None)).await? else {
            return Err("The plan of the session is not of mounts.".into());
        };
        equal(
            (plan.session.session_id, plan.session.created_at),
            (Some(session.id.clone()), Some(session.created_at.clone())),
        )?;
        equal(plan.agents[&agent].content.as_deref(), Some("You are calm."))?;
        let kernel = get_session_mount_plan(&self.daemon, read(Some(PlanForm::Kernel))).await?;
        let MountPlanDocument::Kernel(kernel) = kernel else {
            return Err("The plan of the session is not in the kernel's form.".into());
        };
        equal(
            (kernel.tools[0].module.as_str(), &kernel.tools[0].config),
            ("tool-bash", &object(json!({"timeout": 9}))?),
        )?;
        self.delete(&session).await
    }

    async fn create(&self, body: CreateSessionRequest) -> Answer<Session> {
        let params = CreateSessionParams { idempotency_key: None, create_session_request: Some(body) };
        Ok(create_session(&self.daemon, params).await?)
    }

    async fn open(&self) -> Answer<Session> {
        let mut body = CreateSessionRequest::new();
        body.context = Some(object(json!({"task": "clients"}))?);
        body.amplified_dir = Some(DIRECTORY.to_owned());
        let session = self.create(body).await?;
        equal(
            (session.profile.as_str(), session.amplified_dir.as_str(), session.message_count),
            (PROFILE, DIRECTORY, 0),
        )?;
        equal(&session.context, &object(json!({"task": "clients"}))?)?;
        Ok(session)
    }

    async fn read(&self, session_id: &str) -> Result<Session, ApiError<GetSessionError>> {
        let session_id = session_id.to_owned();
        get_session(&self.daemon, GetSessionParams { session_id, if_match: None, if_none_match: None }).await
    }

    async fn delete(&self, session: &Session) -> Answer<()> {
        let session_id = session.id.clone();
        let params = DeleteSessionParams { session_id, if_match: None, if_none_match: None };
        Ok(delete_session(&self.daemon, params).await?)
    }

    async fn read_back(&self, session: &Session) -> Answer<()> {
        equal(&self.read(&session.id).await?, session)?;
        let params = GetSessionProfileParams { session_id: session.id.clone() };
        equal(get_session_profile(&self.daemon, params).await?.name, PROFILE)
    }

    async fn send(&self, session: &Session, body: SendMessageRequest) -> Result<Message, ApiError<SendMessageError>> {
        let params = SendMessageParams {
            session_id: session.id.clone(),
            send_message_request: body,
            if_match: None,
            if_none_match: None,
            idempotency_key: None,
        };
        send_message(&self.daemon, params).await
    }

    async fn messages(&self, params: ListMessagesParams) -> Answer<Transcript> {
        Ok(list_messages(&self.daemon, params).await?)
    }

    async fn send_messages(&self, session: &Session) -> Answer<()> {
        for (number, (content, role)) in CONTENTS.into_iter().enumerate() {
            let metadata = object(json!({"source": "clients"}))?;
            let body = SendMessageRequest {
                content: Some(content.to_owned()),
                role: Some(role),
                metadata: Some(metadata.clone()),
                ..SendMessageRequest::new()
            };
            let message = self.send(session, body).await?;
            equal((message.sequence, message.metadata), (i64::try_from(number)? + 1, metadata))?;
        }
        Ok(())
    }

    async fn send_parts(&self) -> Answer<()> {
        let session = self.open().await?;
        let input = "{ \"city\": \"Paris\" }".to_owned();
        let text = TextPart::new(TextPartType::Text, "Let me look.".to_owned());
        let call =
            ToolCallPart::new(ToolCallPartType::ToolCall, "call_1".to_owned(), "weather".to_owned(), input.clone());
        let parts = vec![Part::Text(Box::new(text)), Part::ToolCall(Box::new(call))];
        let mut usage = UsageRequest::new();
        usage.input_tokens = Some(120);
        usage.cost = Some("0.0042".to_owned());
        let body = SendMessageRequest {
            role: Some(Role::Assistant),
            parts: Some(parts.clone()),
            usage: Some(Box::new(usage)),
            ..SendMessageRequest::new()
        };
        let sent = self.send(&session, body).await?;
        equal((sent.content.as_str(), sent.parts), ("Let me look.", Some(parts)))?;
        let waiting = self.messages(ListMessagesParams { open_calls: Some(true), ..whole(&session.id) }).await?;
        let read = waiting.messages.into_iter().flat_map(|message| message.parts.unwrap_or_default());
        let inputs = read.filter_map(|part| if let Part::ToolCall(call) = part { Some(call.input) } else { None });
        equal(inputs.collect::<Vec<_>>(), vec![input])?;
        let total = self.read(&session.id).await?.usage.ok_or("The session has no usage.")?;
        equal((total.input_tokens, total.cost.as_deref()), (120, Some("0.0042")))?;
        self.delete(&session).await
    }

    async fn correct_message(&self) -> Answer<()> {
        let session = self.open().await?;
        let body = SendMessageRequest {
            content: Some("Helo!".to_owned()),
            metadata: Some(object(json!({"kept": true}))?),
            ..SendMessageRequest::new()
        };
        self.send(&session, body).await?;
        let mut patch = MessagePatch::new();
        patch.content = Some("Hello!".to_owned());
        patch.metadata = Some(object(json!({"rating": 5}))?);
        let params = UpdateMessageParams {
            session_id: session.id.clone(),
            sequence: 1,
            message_patch: patch,
            if_match: None,
            if_none_match: None,
        };
        let edited = update_message(&self.daemon, params).await?;
        equal((edited.content.as_str(), edited.version), ("Hello!", Some(2)))?;
        equal(edited.metadata, object(json!({"kept": true, "rating": 5}))?)?;
        check("The message is not marked as edited.", edited.edited_at.is_some())?;
        let delete = |if_match: Option<&str>| DeleteMessageParams {
            session_id: session.id.clone(),
            sequence: 1,
            if_match: if_match.map(str::to_owned),
            if_none_match: None,
        };
        equal(refused(412, delete_message(&self.daemon, delete(Some("\"1\""))).await)?.version, Some(2))?;
        let left = delete_message(&self.daemon, delete(None)).await?;
        equal((left.content.as_str(), left.version, left.metadata.len()), ("", Some(3), 0))?;
        check("The message is not marked as deleted.", left.deleted_at.is_some())?;
        self.delete(&session).await
    }

    async fn send_file(&self) -> Answer<()> {
        let body = Some(written("a.png", PICTURE)?);
        let params = CreateFileParams { media: Some("image/png".to_owned()), name: Some("a.png".to_owned()), body };
        let file = create_file(&self.daemon, params).await?;
        equal((file.size, file.media.as_str(), file.name.as_deref()), (7, "image/png", Some("a.png")))?;
        let session = self.open().await?;
        let part = FilePart::new(FilePartType::File, file.media, file.url);
        let parts = Some(vec![Part::File(Box::new(part))]);
        self.send(&session, SendMessageRequest { parts, ..SendMessageRequest::new() }).await?;
        let get = |range: Option<&str>| GetFileParams {
            file_id: file.id.clone(),
            range: range.map(str::to_owned),
            if_range: None,
            if_match: None,
            if_none_match: None,
        };
        equal(get_file(&self.daemon, get(None)).await?.bytes().await?.as_ref(), PICTURE)?;
        equal(get_file(&self.daemon, get(Some("bytes=1-3"))).await?.bytes().await?.as_ref(), &PICTURE[1..4])?;
        let params = DeleteFileParams { file_id: file.id.clone(), if_match: None, if_none_match: None };
        refused(409, delete_file(&self.daemon, params).await)?;
        self.delete(&session).await?;
        equal(list_files(&self.daemon, ListFilesParams { limit: None, cursor: None }).await?.len(), 0)
    }

    async fn import(
        &self,
        bytes: &[u8],
        format: Option<&str>,
        on_conflict: Option<OnConflict>,
    ) -> Result<ImportReport, ApiError<ImportSessionsError>> {
        let body = written("import", bytes).expect("The file cannot be written.");
        let format = format.map(str::to_owned);
        import_sessions(&self.daemon, ImportSessionsParams { body, format, on_conflict, idempotency_key: None }).await
    }

    async fn import_history(&self) -> Answer<()> {
        let payload =
            b"{\"id\": \"tides\", \"messages\": [{\"role\": \"user\", \"content\": \"Why tides?\"}]}\n{broken\n";
        for sessions in [1, 0] {
            let report = self.import(payload, Some("auto"), None).await?;
            equal((report.sessions, report.messages), (sessions, sessions))?;
            let history = report.history.ok_or("The report does not have what was read.")?;
            equal((history.formats[0].format.as_str(), history.formats[0].files), ("openai-messages", 1))?;
            let fault = &history.not_understood[0];
            equal((fault.kind.as_str(), fault.places[0].line), ("not JSON", 2))?;
        }
        refused(422, self.import(b"x", Some("auto"), None).await)?;
        let label = Some(vec!["source-id:tides".to_owned()]);
        let found = list_sessions(&self.daemon, ListSessionsParams { label, ..everything() }).await?;
        equal(found.len(), 1)?;
        self.delete(&self.read(&found[0].id).await?).await
    }

    async fn export_and_import(&self, session: &Session) -> Answer<()> {
        let params = ExportSessionParams { session_id: session.id.clone(), files: None, format: None };
        let exported = export_session(&self.daemon, params).await?.text().await?;
        let line: Object = serde_json::from_str(exported.lines().nth(1).unwrap_or_default())?;
        equal(line.keys().collect::<Vec<_>>(), ["session"])?;
        let report = self.import(exported.as_bytes(), None, Some(OnConflict::Skip)).await?;
        equal((report.sessions, report.skipped), (0, 1))?;
        let broken = exported.replace("\"sequence\":2", "\"sequence\":\"2\"");
        let problem = refused(422, self.import(broken.as_bytes(), None, Some(OnConflict::Skip)).await)?;
        let pointers = problem.errors.unwrap_or_default().into_iter().map(|error| error.pointer).collect::<Vec<_>>();
        check(&problem.detail, pointers.contains(&"/message/sequence".to_owned()))
    }

    async fn keep_own_facts(&self) -> Answer<()> {
        let (began, kept) = ("2023-03-01T10:00:00+01:00", "2023-03-01T09:00:00.000000Z");
        let labels = HashMap::from(
            [("origin", "clients"), ("topic", "a:b")].map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let id = format!("{:08x}-0000-4000-8000-000000000000", std::process::id());
        let body = CreateSessionRequest {
            id: Some(id.clone()),
            created_at: Some(began.to_owned()),
            labels: Some(labels.clone()),
            pinned: Some(true),
            ..CreateSessionRequest::new()
        };
        let session = self.create(body).await?;
        equal((session.id.as_str(), session.created_at.as_str(), &session.labels), (id.as_str(), kept, &Some(labels)))?;
        let body = SendMessageRequest {
            content: Some("Hello!".to_owned()),
            id: Some("msg_1".to_owned()),
            timestamp: Some(began.to_owned()),
            ..SendMessageRequest::new()
        };
        equal(self.send(&session, body.clone()).await?.timestamp, kept)?;
        equal(refused(409, self.send(&session, body).await)?.sequence, Some(1))?;
        let found = self.messages(ListMessagesParams { id: Some("msg_1".to_owned()), ..whole(&session.id) }).await?;
        equal(found.messages.iter().map(|message| message.sequence).collect::<Vec<_>>(), [1])?;
        let filters = ListSessionsParams {
            label: Some(vec!["origin:clients".to_owned(), "topic".to_owned()]),
            status: Some(vec![SessionStatus::Active, SessionStatus::Failed]),
            created_after: Some("2023-03-01T09:59:59+01:00".to_owned()),
            created_before: Some("2023-03-01T10:00:01+01:00".to_owned()),
            archived: Some(false),
            ..everything()
        };
        let summaries = list_sessions(&self.daemon, filters.clone()).await?;
        let content = summaries[0].last_message.as_ref().map(|message| message.content.as_str());
        equal((summaries.len(), summaries[0].id.as_str(), content), (1, session.id.as_str(), Some("Hello!")))?;
        let later = ListSessionsParams { created_after: filters.created_before, created_before: None, ..filters };
        equal(list_sessions(&self.daemon, later).await?.len(), 0)?;
        self.delete(&session).await
    }

    async fn read_transcript(&self, session: &Session) -> Answer<()> {
        let messages = self.messages(whole(&session.id)).await?.messages;
        equal(messages.iter().map(|it| (it.content.as_str(), it.role)).collect::<Vec<_>>(), CONTENTS)?;
        let params = ListMessagesParams { limit: Some(2), before_sequence: Some(3), ..whole(&session.id) };
        let page = self.messages(params).await?;
        equal(page.messages.iter().map(|message| message.sequence).collect::<Vec<_>>(), [1, 2])
    }

    async fn list_sessions(&self, session: &Session) -> Answer<()> {
        // The generated functions do not give the `Link` to the next page, which other languages follow.
        let second = self.open().await?;
        let listed = list_sessions(&self.daemon, ListSessionsParams { limit: Some(2), ..everything() }).await?;
        equal(listed.iter().map(|summary| &summary.id).collect::<Vec<_>>(), [&second.id, &session.id])?;
        self.delete(&second).await
    }

    async fn search(&self, session: &Session) -> Answer<()> {
        let before = self.read(&session.id).await?.updated_at;
        let params = ResumeSessionParams {
            session_id: session.id.clone(),
            if_match: None,
            if_none_match: None,
            idempotency_key: None,
        };
        check("updatedAt did not move on.", resume_session(&self.daemon, params).await?.updated_at > before)?;
        let params = SearchMessagesParams {
            q: "resum* mean".to_owned(),
            session_id: Some(session.id.clone()),
            role: None,
            profile: None,
            amplified_dir: None,
            r#in: None,
            mode: None,
            tool: None,
            group: None,
            label: None,
            created_after: None,
            created_before: None,
            updated_after: None,
            updated_before: None,
            limit: None,
            cursor: None,
        };
        let by_meaning = SearchMessagesParams { mode: Some(SearchMode::Hybrid), ..params.clone() };
        let hits = search_messages(&self.daemon, params).await?;
        equal(hits.iter().map(|hit| hit.sequence).collect::<Vec<_>>(), [1])?;
        check(&hits[0].snippet, hits[0].snippet.contains("<mark>résumé</mark>"))?;
        let similar = search_messages(&self.daemon, by_meaning).await?;
        let found = similar.iter().any(|hit| hit.sequence == 1);
        check("A search by meaning does not find the first message.", found)?;
        let params = SuggestSearchesParams { q: "resmue".to_owned(), limit: None };
        equal(&suggest_searches(&self.daemon, params).await?[0].q, "resume")?;
        let old = CleanUpRequest { status: Some(vec![SessionStatus::Active]), ..CleanUpRequest::new(1) };
        let params = CleanUpSessionsParams { clean_up_request: old, idempotency_key: None };
        let report = clean_up_sessions(&self.daemon, params).await?;
        equal((report.dry_run, report.sessions), (true, 0))?;
        let filter = SessionFilter { ids: Some(vec![session.id.clone()]), roots: Some(true), ..SessionFilter::new() };
        let selected = SessionDeletion { dry_run: Some(true), ..SessionDeletion::new(filter) };
        let params = DeleteSessionsParams { session_deletion: selected, idempotency_key: None };
        let found = delete_sessions(&self.daemon, params).await?;
        equal((found.dry_run, &found.session_ids), (true, &vec![session.id.clone()]))
    }

    async fn fork(&self, session: &Session) -> Answer<()> {
        let mut body = ForkSessionRequest::new();
        body.at_sequence = Some(1);
        body.name = Some("Branch".to_owned());
        let params = ForkSessionParams {
            session_id: session.id.clone(),
            fork_session_request: Some(body),
            if_match: None,
            if_none_match: None,
            idempotency_key: None,
        };
        let branch = fork_session(&self.daemon, params).await?;
        equal((branch.parent_session_id.as_ref(), branch.message_count), (Some(&session.id), 1))?;
        let lineage =
            get_session_lineage(&self.daemon, GetSessionLineageParams { session_id: session.id.clone() }).await?;
        equal(lineage.children.iter().map(|child| &child.id).collect::<Vec<_>>(), [&branch.id])?;
        let params = CompleteSessionParams {
            session_id: branch.id.clone(),
            if_match: None,
            if_none_match: None,
            idempotency_key: None,
        };
        equal(complete_session(&self.daemon, params).await?.status, SessionStatus::Completed)?;
        let late = SendMessageRequest { content: Some("Too late.".to_owned()), ..SendMessageRequest::new() };
        let detail = refused(409, self.send(&branch, late).await)?.detail;
        check(&detail, detail.ends_with("resume it first"))?;
        self.delete(&branch).await
    }

    async fn read_oddities(&self) -> Answer<()> {
        let name = Some("Oddity".to_owned());
        let summaries = list_sessions(&self.daemon, ListSessionsParams { name, ..everything() }).await?;
        check("No oddities were found.", summaries.len() > 1)?;
        for summary in summaries {
            let messages = self.messages(whole(&summary.id)).await?.messages;
            equal(&messages[0].metadata, &self.read(&summary.id).await?.context)?;
            equal(messages[0].content.as_str(), ODDITY)?;
        }
        Ok(())
    }

    async fn read_nobody(&self) -> Answer<()> {
        equal(refused(404, self.read(NOBODY).await)?.detail, format!("Session {NOBODY} not found"))
    }

    async fn break_schema(&self, session: &Session) -> Answer<()> {
        let metadata = (0..1025).map(|number| (number.to_string(), json!(number))).collect();
        let body =
            SendMessageRequest { content: Some(String::new()), metadata: Some(metadata), ..SendMessageRequest::new() };
        let errors = refused(422, self.send(session, body).await)?.errors.unwrap_or_default();
        equal(errors.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>(), ["/metadata"])
    }

    async fn tidy_up(&self, session: &Session) -> Answer<()> {
        self.delete(session).await?;
        let detail = refused(404, self.read(&session.id).await)?.detail;
        equal(detail, format!("Session {} not found", session.id))?;
        let params =
            DeleteAmplifiedDirectoryParams { relative_path: DIRECTORY.to_owned(), force: None, remove_marker: None };
        delete_amplified_directory(&self.daemon, params).await?;
        delete_profile(&self.daemon, DeleteProfileParams { name: PROFILE.to_owned() }).await?;
        let gone = get_profile(&self.daemon, GetProfileParams { name: PROFILE.to_owned() }).await;
        let detail = refused(404, gone)?.detail;
        check(&detail, detail.starts_with(&format!("Profile {PROFILE} not found")))
    }

    async fn ask_daemon(&self) -> Answer<()> {
        equal(get_live(&self.daemon).await?.status, LivenessStatus::Alive)?;
        equal(get_health(&self.daemon).await?.status, HealthStatus::Healthy)?;
        equal(get_status(&self.daemon).await?.status, ServiceState::Running)
    }
}

fn step<T>(name: &str, answer: Answer<T>) -> T {
    answer.unwrap_or_else(|error| {
        eprintln!("The step “{name}” failed: {error:?}");
        std::process::exit(1)
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let mut daemon = Configuration::new();
    daemon.base_path.clone_from(&arguments[1]);
    daemon.bearer_access_token = arguments.get(2).cloned();
    let conversation = Conversation { daemon };
    step("create a profile and a directory", conversation.prepare().await);
    step("read collections and modules", conversation.read_collections().await);
    step("run with a collection", conversation.run_with_collection().await);
    let session = step("create a session", conversation.open().await);
    step("read it back", conversation.read_back(&session).await);
    step("send three messages", conversation.send_messages(&session).await);
    step("send parts", conversation.send_parts().await);
    step("correct and delete a message", conversation.correct_message().await);
    step("send a file", conversation.send_file().await);
    step("import a history", conversation.import_history().await);
    step("keep own ids, times and labels", conversation.keep_own_facts().await);
    step("read the transcript and its pages", conversation.read_transcript(&session).await);
    step("export the session and import it", conversation.export_and_import(&session).await);
    step("list sessions", conversation.list_sessions(&session).await);
    step("resume the session and search", conversation.search(&session).await);
    step("fork the session and end its branch", conversation.fork(&session).await);
    step("read what few send", conversation.read_oddities().await);
    step("read a session that does not exist", conversation.read_nobody().await);
    step("send a message that breaks the schema", conversation.break_schema(&session).await);
    step("delete what was created", conversation.tidy_up(&session).await);
    step("ask for health and status", conversation.ask_daemon().await);
    println!("conversation passed");
}
