# frozen_string_literal: true

# Runs a whole conversation against the daemon whose base URL is the first argument, with the key that is the second,
# through the generated gem.

require 'amplifierd'
require 'json'
require 'logger'
require 'securerandom'
require 'uri'

NOBODY = 'non-existent-session-id'
PROFILE = 'clients/base'
DIRECTORY = 'projects/atlas'
PICTURE = "\x89PNG\x00\xFF\n".b
ODDITY = "\0\u2028\ufeff\u202e\u{1f600}"
MESSAGES = [
  { content: 'What does “résumé” mean?', metadata: { 'source' => 'clients' } },
  { content: 'A summary.', role: Amplifierd::Role::ASSISTANT },
  { content: '{"found": true}', role: Amplifierd::Role::TOOL }
].freeze

def check(sentence, that:)
  raise sentence unless that
end

def equal(found, expected)
  check("#{found.inspect} came where #{expected.inspect} was expected.", that: found == expected)
end

# The problem of this status with which the block is refused.
def refused(status)
  yield
rescue Amplifierd::ApiError => e
  equal(e.code, status)
  problem = Amplifierd::Problem.build_from_hash(JSON.parse(e.response_body))
  equal(problem.status, status)
  problem
else
  raise "The daemon did not refuse with #{status}."
end

# The generated interfaces of one daemon.
class Conversation
  def initialize(client)
    @collections = Amplifierd::CollectionsApi.new(client)
    @directories = Amplifierd::DirectoriesApi.new(client)
    @files = Amplifierd::FilesApi.new(client)
    @messages = Amplifierd::MessagesApi.new(client)
    @modules = Amplifierd::ModulesApi.new(client)
    @plans = Amplifierd::PlansApi.new(client)
    @profiles = Amplifierd::ProfilesApi.new(client)
    @searches = Amplifierd::SearchApi.new(client)
    @service = Amplifierd::ServiceApi.new(client)
    @sessions = Amplifierd::SessionsApi.new(client)
    @transfer = Amplifierd::TransferApi.new(client)
  end

  def prepare
    provider = Amplifierd::ModuleConfig.new(_module: 'provider', config: { 'limit' => 7 })
    body = Amplifierd::CreateProfileRequest.new(name: PROFILE, providers: [provider])
    profile = @profiles.create_profile(body)
    equal([profile.name, profile.schema_version, profile.is_active], [PROFILE, 2, false])
    equal(profile.warnings.map(&:pointer), ['/providers/0'])
    equal(@profiles.get_profile(PROFILE).providers, profile.providers)
    amplify = Amplifierd::CreateDirectoryRequest.new(relative_path: DIRECTORY, default_profile: PROFILE)
    directory = @directories.create_amplified_directory(amplify)
    equal([directory.relative_path, directory.default_profile_from], [DIRECTORY, DIRECTORY])
    equal(@directories.get_amplified_directory(DIRECTORY), directory)
  end

  def read_collections
    equal(@collections.list_collections, [])
    equal(@modules.list_modules, [])
    body = Amplifierd::CreateCollectionRequest.new(identifier: 'clients/collection', source: '/srv/collection')
    problem = refused(422) { @collections.create_collection(body) }
    check(problem.detail, that: problem.detail.include?('--collections-path'))
    refused(404) { @collections.get_collection('clients/collection') }
  end

  def run_with_collection
    body = Amplifierd::CreateCollectionRequest.new(identifier: 'clients/collection', source: ENV.fetch('COLLECTION'))
    added = @collections.create_collection(body)
    equal([added.profiles, added.modules, added.problems], [['collection/base'], ['collection/tool/bash'], []])
    equal(@collections.get_collection(added.identifier), added)
    add_source_of_module('collection/tool/bash')
    make_plans('collection/base')
    @collections.delete_collection(added.identifier)
    equal(@modules.list_modules, [])
  end

  def add_source_of_module(module_id)
    listed = @modules.list_modules(type: Amplifierd::ModuleType::TOOL) + @modules.list_tools
    equal(listed.map(&:id), [module_id, module_id])
    read = @modules.get_module(module_id)
    equal([read.name, read.collection, read.sources], ['tool-bash', 'clients/collection', nil])
    first = Amplifierd::ModuleSourceRequest.new(source: 'git+https://example.com/a')
    source = @modules.create_module_source(module_id, first)
    equal([source.module_id, source.scope, source.source], [module_id, 'project', first.source])
    refused(409) { @modules.create_module_source(module_id, first) }
    second = Amplifierd::ModuleSourceRequest.new(source: 'git+https://example.com/b')
    replaced = @modules.replace_module_source(module_id, second)
    equal(@modules.get_module(module_id).sources, [replaced])
    @modules.delete_module_source(module_id)
    refused(404) { @modules.delete_module_source(module_id) }
  end

  def make_plans(profile)
    overlay = { 'zen' => Amplifierd::AgentOverlay.new(content: 'Be quick.') }
    request = Amplifierd::MountPlanRequest.new(profile_id: profile, agent_overlay: overlay)
    generated = @plans.generate_mount_plan(request)
    equal(generated.mount_points.map(&:resolved), [true, true])
    equal(generated.agents["#{profile}.agent.zen"].content, 'Be quick.')
    body = Amplifierd::CreateSessionRequest.new(profile: profile)
    session = @sessions.create_session(create_session_request: body)
    plan = @plans.get_session_mount_plan(session.id)
    equal([plan.session.session_id, plan.session.created_at], [session.id, session.created_at])
    equal(plan.agents["#{profile}.agent.zen"].content, 'You are calm.')
    kernel = @plans.get_session_mount_plan(session.id, form: 'kernel')
    equal(kernel.tools.map { |tool| [tool._module, tool.config] }, [['tool-bash', { 'timeout' => 9 }]])
    @sessions.delete_session(session.id)
  end

  def open
    body = Amplifierd::CreateSessionRequest.new(context: { 'task' => 'clients' }, amplified_dir: DIRECTORY)
    session = @sessions.create_session(create_session_request: body)
    equal([session.profile, session.amplified_dir, session.message_count], [PROFILE, DIRECTORY, 0])
    equal(session.context, { 'task' => 'clients' })
    session
  end

  def read_back(session)
    equal(@sessions.get_session(session.id), session)
    equal(@sessions.get_session_profile(session.id).name, PROFILE)
  end

  def send_message(session, **body)
    @messages.send_message(session.id, Amplifierd::SendMessageRequest.new(body))
  end

  def send_messages(session)
    sent = MESSAGES.map { |body| send_message(session, **body) }
    equal(sent.map(&:sequence), [1, 2, 3])
    equal(sent.map(&:metadata), [{ 'source' => 'clients' }, {}, {}])
  end

  def send_parts
    session = open
    input = '{ "city": "Paris" }'
    text = Amplifierd::TextPart.new(type: 'text', text: 'Let me look.')
    call = Amplifierd::ToolCallPart.new(type: 'tool_call', call: 'call_1', name: 'weather', input: input)
    usage = Amplifierd::UsageRequest.new(input_tokens: 120, cost: '0.0042')
    sent = send_message(session, role: Amplifierd::Role::ASSISTANT, parts: [text, call], usage: usage)
    equal([sent.content, sent.parts], ['Let me look.', [text, call]])
    parts = @messages.list_messages(session.id, open_calls: true).messages.flat_map(&:parts)
    equal(parts.grep(Amplifierd::ToolCallPart).map(&:input), [input])
    total = @sessions.get_session(session.id).usage
    equal([total.input_tokens, total.cost, total.currency], [120, '0.0042', 'USD'])
    @sessions.delete_session(session.id)
  end

  def correct_message
    session = open
    send_message(session, content: 'Helo!', metadata: { 'kept' => true })
    patch = Amplifierd::MessagePatch.new(content: 'Hello!', metadata: { 'rating' => 5 })
    edited = @messages.update_message(session.id, 1, patch)
    equal([edited.content, edited.version, edited.metadata], ['Hello!', 2, { 'kept' => true, 'rating' => 5 }])
    check('The message is not marked as edited.', that: edited.edited_at.is_a?(Time))
    equal(refused(412) { @messages.delete_message(session.id, 1, if_match: '"1"') }.version, 2)
    left = @messages.delete_message(session.id, 1)
    equal([left.content, left.version, left.metadata], ['', 3, {}])
    check('The message is not marked as deleted.', that: left.deleted_at.is_a?(Time))
    @sessions.delete_session(session.id)
  end

  def send_file
    file = @files.create_file(media: 'image/png', name: 'a.png', body: PICTURE)
    equal([file.size, file.media, file.name], [PICTURE.bytesize, 'image/png', 'a.png'])
    session = open
    send_message(session, parts: [Amplifierd::FilePart.new(type: 'file', media: file.media, url: file.url)])
    equal(bytes_of(@files.get_file(file.id)), PICTURE)
    equal(bytes_of(@files.get_file(file.id, range: 'bytes=1-3')), PICTURE[1..3])
    refused(409) { @files.delete_file(file.id) }
    @sessions.delete_session(session.id)
    equal(@files.list_files, [])
  end

  def bytes_of(file)
    File.binread(file.path)
  end

  def import_history
    payload = %({"id": "tides", "messages": [{"role": "user", "content": "Why tides?"}]}\n{broken\n)
    [1, 0].each do |sessions|
      report = @transfer.import_sessions(payload, format: 'auto')
      equal([report.sessions, report.messages], [sessions, sessions])
      equal(report.history.formats.map { |each| [each.format, each.files] }, [['openai-messages', 1]])
      equal(report.history.not_understood.map { |each| [each.kind, each.places[0].line] }, [['not JSON', 2]])
    end
    refused(422) { @transfer.import_sessions('x', format: 'auto') }
    imported = @sessions.list_sessions(label: ['source-id:tides'])
    equal(imported.length, 1)
    @sessions.delete_session(imported[0].id)
  end

  def export_and_import(session)
    exported = bytes_of(@transfer.export_session(session.id))
    equal(JSON.parse(exported.lines[1]).keys, ['session'])
    report = @transfer.import_sessions(exported, on_conflict: Amplifierd::OnConflict::SKIP)
    equal([report.sessions, report.skipped], [0, 1])
    broken = exported.sub('"sequence":2', '"sequence":"2"')
    problem = refused(422) { @transfer.import_sessions(broken, on_conflict: Amplifierd::OnConflict::SKIP) }
    check(problem.detail, that: problem.errors.map(&:pointer).include?('/message/sequence'))
  end

  def keep_own_facts
    began = Time.new(2023, 3, 1, 10, 0, 0, '+01:00')
    labels = { 'origin' => 'clients', 'topic' => 'a:b' }
    # The generated code would send a time as `Time#to_s` writes it, which is not RFC 3339.
    own = { id: SecureRandom.uuid, created_at: began.iso8601, labels: labels, pinned: true }
    session = @sessions.create_session(create_session_request: Amplifierd::CreateSessionRequest.new(own))
    equal([session.id, session.created_at, session.labels], [own[:id], began, labels])
    body = { content: 'Hello!', id: 'msg_1', timestamp: began.iso8601 }
    equal(send_message(session, **body).timestamp, began)
    equal(refused(409) { send_message(session, **body) }.sequence, 1)
    equal(@messages.list_messages(session.id, id: 'msg_1').messages.map(&:sequence), [1])
    find_by_labels_and_times(session, began)
    @sessions.delete_session(session.id)
  end

  def find_by_labels_and_times(session, began)
    filters = {
      label: ['origin:clients', 'topic'],
      status: [Amplifierd::SessionStatus::ACTIVE, Amplifierd::SessionStatus::FAILED],
      created_after: (began - 1).iso8601,
      created_before: (began + 1).iso8601,
      archived: false,
      total: true
    }
    found, _, headers = @sessions.list_sessions_with_http_info(filters)
    equal(found.map { |each| [each.id, each.last_message.content] }, [[session.id, 'Hello!']])
    equal(headers['X-Total-Count'], '1')
    equal(@sessions.list_sessions(label: ['origin:clients'], created_after: (began + 1).iso8601), [])
  end

  def read_transcript(session)
    messages = @messages.list_messages(session.id).messages
    equal(messages.map(&:role), %w[user assistant tool])
    equal(messages.map(&:content), MESSAGES.map { |body| body[:content] })
    page = @messages.list_messages(session.id, limit: 2, before_sequence: 3)
    equal(page.messages.map(&:sequence), [1, 2])
  end

  def page_through_sessions(session)
    second = open
    first_page, _, headers = @sessions.list_sessions_with_http_info(limit: 1)
    equal(first_page.map(&:id), [second.id])
    target = headers['Link'][/<([^>]*)>; rel="next"/, 1]
    cursor = URI.decode_www_form(URI(target).query).to_h['cursor']
    equal(@sessions.list_sessions(limit: 1, cursor: cursor).map(&:id), [session.id])
    @sessions.delete_session(second.id)
  end

  def search(session)
    before = @sessions.get_session(session.id)
    check('updatedAt did not move on.', that: @sessions.resume_session(session.id).updated_at > before.updated_at)
    hits = @searches.search_messages('resum* mean', session_id: session.id)
    equal(hits.map(&:sequence), [1])
    check(hits[0].snippet, that: hits[0].snippet.include?('<mark>résumé</mark>'))
    similar = @searches.search_messages('resum* mean', mode: 'hybrid', session_id: session.id)
    check('A search by meaning does not find the first message.', that: similar.map(&:sequence).include?(1))
    equal(@searches.suggest_searches('resmue').map(&:q), ['resume'])
    old = @sessions.clean_up_sessions(Amplifierd::CleanUpRequest.new(older_than_days: 1, status: ['active']))
    equal([old.dry_run, old.sessions], [true, 0])
    filter = Amplifierd::SessionFilter.new(ids: [session.id], roots: true)
    found = @sessions.delete_sessions(Amplifierd::SessionDeletion.new(filter: filter, dry_run: true))
    equal([found.dry_run, found.session_ids], [true, [session.id]])
  end

  def fork_session(session)
    body = Amplifierd::ForkSessionRequest.new(at_sequence: 1, name: 'Branch')
    branch = @sessions.fork_session(session.id, fork_session_request: body)
    equal([branch.parent_session_id, branch.message_count], [session.id, 1])
    equal(@sessions.get_session_lineage(session.id).children.map(&:id), [branch.id])
    equal(@sessions.complete_session(branch.id).status, Amplifierd::SessionStatus::COMPLETED)
    problem = refused(409) { send_message(branch, content: 'Too late.') }
    check(problem.detail, that: problem.detail.end_with?('resume it first'))
    @sessions.delete_session(branch.id)
  end

  def read_oddities
    summaries = @sessions.list_sessions(name: 'Oddity')
    check('No oddities were found.', that: summaries.length > 1)
    # One has 99 levels; Ruby's JSON reads at most 100, including those around it.
    equal(summaries.count { |summary| !reads_oddity?(summary) }, 1)
  end

  def reads_oddity?(summary)
    messages = @messages.list_messages(summary.id).messages
    equal(messages.map(&:metadata), [@sessions.get_session(summary.id).context])
    equal(messages.map(&:content), [ODDITY])
    true
  rescue JSON::NestingError
    false
  end

  def read_nobody
    equal(refused(404) { @sessions.get_session(NOBODY) }.detail, "Session #{NOBODY} not found")
  end

  def break_schema(session)
    metadata = (0...1025).to_h { |number| [number.to_s, number] }
    # The generated model refuses it; a hash is sent as it is.
    problem = refused(422) { @messages.send_message(session.id, { content: '', metadata: metadata }) }
    equal(problem.errors.map(&:pointer), ['/metadata'])
  end

  def tidy_up(session)
    @sessions.delete_session(session.id)
    equal(refused(404) { @sessions.get_session(session.id) }.detail, "Session #{session.id} not found")
    @directories.delete_amplified_directory(DIRECTORY)
    @profiles.delete_profile(PROFILE)
    problem = refused(404) { @profiles.get_profile(PROFILE) }
    check(problem.detail, that: problem.detail.start_with?("Profile #{PROFILE} not found"))
  end

  def ask_daemon
    equal(@service.get_live.status, 'alive')
    equal(@service.get_health.status, 'healthy')
    equal(@service.get_status.status, 'running')
  end
end

def step(name)
  yield
rescue StandardError => e
  abort "The step “#{name}” failed: #{e.message}"
end

base_url, key = ARGV
config = Amplifierd::Configuration.new do |settings|
  url = URI(base_url)
  settings.scheme = url.scheme
  settings.host = "#{url.host}:#{url.port}"
  settings.base_path = url.path
  settings.access_token = key
  # A list in a query is its name repeated.
  settings.params_encoding = :multi
  settings.logger = Logger.new($stderr, level: Logger::WARN)
end
conversation = Conversation.new(Amplifierd::ApiClient.new(config))
session = nil
step('create a profile and a directory') { conversation.prepare }
step('read collections and modules') { conversation.read_collections }
step('run with a collection') { conversation.run_with_collection }
step('create a session') { session = conversation.open }
step('read it back') { conversation.read_back(session) }
step('send three messages') { conversation.send_messages(session) }
step('send parts') { conversation.send_parts }
step('correct and delete a message') { conversation.correct_message }
step('send a file') { conversation.send_file }
step('import a history') { conversation.import_history }
step('keep own ids, times and labels') { conversation.keep_own_facts }
step('read the transcript and its pages') { conversation.read_transcript(session) }
step('export the session and import it') { conversation.export_and_import(session) }
step('list sessions page by page') { conversation.page_through_sessions(session) }
step('resume the session and search') { conversation.search(session) }
step('fork the session and end its branch') { conversation.fork_session(session) }
step('read what few send') { conversation.read_oddities }
step('read a session that does not exist') { conversation.read_nobody }
step('send a message that breaks the schema') { conversation.break_schema(session) }
step('delete what was created') { conversation.tidy_up(session) }
step('ask for health and status') { conversation.ask_daemon }
puts 'conversation passed'
