<?php

// Runs a whole conversation against the daemon whose base URL is the first argument, with the key that is the second,
// through the generated classes.

declare(strict_types=1);

require __DIR__ . '/load.php';

use Amplifierd\Api\CollectionsApi;
use Amplifierd\Api\DirectoriesApi;
use Amplifierd\Api\EventsApi;
use Amplifierd\Api\FilesApi;
use Amplifierd\Api\MessagesApi;
use Amplifierd\Api\ModulesApi;
use Amplifierd\Api\PlansApi;
use Amplifierd\Api\ProfilesApi;
use Amplifierd\Api\SearchApi;
use Amplifierd\Api\ServiceApi;
use Amplifierd\Api\SessionsApi;
use Amplifierd\Api\TransferApi;
use Amplifierd\ApiException;
use Amplifierd\Configuration;
use Amplifierd\Model\AgentOverlay;
use Amplifierd\Model\CleanUpRequest;
use Amplifierd\Model\CreateCollectionRequest;
use Amplifierd\Model\CreateDirectoryRequest;
use Amplifierd\Model\CreateProfileRequest;
use Amplifierd\Model\CreateSessionRequest;
use Amplifierd\Model\FilePart;
use Amplifierd\Model\FilePartType;
use Amplifierd\Model\ForkSessionRequest;
use Amplifierd\Model\HealthStatus;
use Amplifierd\Model\KernelPlan;
use Amplifierd\Model\LivenessStatus;
use Amplifierd\Model\Message;
use Amplifierd\Model\MessagePatch;
use Amplifierd\Model\ModuleConfig;
use Amplifierd\Model\ModuleSourceRequest;
use Amplifierd\Model\ModuleType;
use Amplifierd\Model\MountPlan;
use Amplifierd\Model\MountPlanRequest;
use Amplifierd\Model\OnConflict;
use Amplifierd\Model\Part;
use Amplifierd\Model\Problem;
use Amplifierd\Model\Role;
use Amplifierd\Model\SearchMode;
use Amplifierd\Model\SendMessageRequest;
use Amplifierd\Model\ServiceState;
use Amplifierd\Model\Session;
use Amplifierd\Model\SessionDeletion;
use Amplifierd\Model\SessionFilter;
use Amplifierd\Model\SessionStatus;
use Amplifierd\Model\TextPart;
use Amplifierd\Model\TextPartType;
use Amplifierd\Model\ToolCallPart;
use Amplifierd\Model\ToolCallPartType;
use Amplifierd\Model\UsageRequest;
use Amplifierd\ObjectSerializer;
use GuzzleHttp\Client;
use GuzzleHttp\Psr7\Utils;
use Psr\Http\Message\RequestInterface;

const NOBODY = 'non-existent-session-id';
const PROFILE = 'clients/base';
const DIRECTORY = 'projects/atlas';
const PICTURE = "\x89PNG\x00\xff\n";
const ODDITY = "\0\u{2028}\u{feff}\u{202e}\u{1f600}";
const MESSAGES = [
    ['content' => 'What does “résumé” mean?', 'metadata' => ['source' => 'clients']],
    ['content' => 'A summary.', 'role' => Role::ASSISTANT],
    ['content' => '{"found": true}', 'role' => Role::TOOL],
];

function check(string $sentence, bool $that): void
{
    if (!$that) {
        throw new UnexpectedValueException($sentence);
    }
}

function equal(mixed $found, mixed $expected): void
{
    $alike = serialize($found) === serialize($expected);
    check($alike ? '' : sprintf('%s came where %s was expected.', json_encode($found), json_encode($expected)), $alike);
}

/** The problem of this status with which the call is refused. */
function refused(int $status, Closure $call): Problem
{
    try {
        $call();
    } catch (ApiException $error) {
        equal($error->getCode(), $status);
        $problem = $error->getResponseObject();
        check('The response is not a problem.', $problem instanceof Problem);
        equal($problem->getStatus(), $status);
        return $problem;
    }
    throw new UnexpectedValueException("The daemon did not refuse with {$status}.");
}

/** The generated interfaces of one daemon. */
final class Conversation
{
    private CollectionsApi $collections;
    private DirectoriesApi $directories;
    private EventsApi $events;
    private FilesApi $files;
    private MessagesApi $messages;
    private ModulesApi $modules;
    private PlansApi $plans;
    private ProfilesApi $profiles;
    private SearchApi $searches;
    private ServiceApi $service;
    private SessionsApi $sessions;
    private TransferApi $transfer;

    public function __construct(private Client $client, Configuration $configuration)
    {
        $this->collections = new CollectionsApi($client, $configuration);
        $this->directories = new DirectoriesApi($client, $configuration);
        $this->events = new EventsApi($client, $configuration);
        $this->files = new FilesApi($client, $configuration);
        $this->messages = new MessagesApi($client, $configuration);
        $this->modules = new ModulesApi($client, $configuration);
        $this->plans = new PlansApi($client, $configuration);
        $this->profiles = new ProfilesApi($client, $configuration);
        $this->searches = new SearchApi($client, $configuration);
        $this->service = new ServiceApi($client, $configuration);
        $this->sessions = new SessionsApi($client, $configuration);
        $this->transfer = new TransferApi($client, $configuration);
    }

    public function prepare(): void
    {
        $provider = new ModuleConfig(['module' => 'provider', 'config' => ['limit' => 7]]);
        $profile = $this->profiles->createProfile(new CreateProfileRequest(['name' => PROFILE, 'providers' => [$provider]]));
        equal([$profile->getName(), $profile->getSchemaVersion(), $profile->getIsActive()], [PROFILE, 2, false]);
        equal(array_map(fn ($warning) => $warning->getPointer(), $profile->getWarnings()), ['/providers/0']);
        equal($this->profiles->getProfile(PROFILE)->getProviders(), $profile->getProviders());
        $amplify = new CreateDirectoryRequest(['relative_path' => DIRECTORY, 'default_profile' => PROFILE]);
        $directory = $this->directories->createAmplifiedDirectory($amplify);
        equal([$directory->getRelativePath(), $directory->getDefaultProfileFrom()], [DIRECTORY, DIRECTORY]);
        equal($this->directories->getAmplifiedDirectory(DIRECTORY), $directory);
    }

    public function readCollections(): void
    {
        equal($this->collections->listCollections(), []);
        equal($this->modules->listModules(), []);
        $body = new CreateCollectionRequest(['identifier' => 'clients/collection', 'source' => '/srv/collection']);
        $detail = refused(422, fn () => $this->collections->createCollection($body))->getDetail();
        check($detail, str_contains($detail, '--collections-path'));
        refused(404, fn () => $this->collections->getCollection('clients/collection'));
    }

    public function runWithCollection(): void
    {
        $source = getenv('COLLECTION');
        $body = new CreateCollectionRequest(['identifier' => 'clients/collection', 'source' => $source]);
        $added = $this->collections->createCollection($body);
        equal([$added->getProfiles(), $added->getModules()], [['collection/base'], ['collection/tool/bash']]);
        equal($this->collections->getCollection($added->getIdentifier()), $added);
        $this->addSourceOfModule('collection/tool/bash');
        $this->makePlans('collection/base');
        $this->collections->deleteCollection($added->getIdentifier());
        equal($this->modules->listModules(), []);
    }

    private function addSourceOfModule(string $id): void
    {
        $listed = [...$this->modules->listModules(type: ModuleType::TOOL), ...$this->modules->listTools()];
        equal(array_map(fn ($module) => $module->getId(), $listed), [$id, $id]);
        $module = $this->modules->getModule($id);
        equal([$module->getName(), $module->getCollection(), $module->getSources()], ['tool-bash', 'clients/collection', null]);
        $first = new ModuleSourceRequest(['source' => 'git+https://example.com/a']);
        $source = $this->modules->createModuleSource($id, $first);
        equal([$source->getModuleId(), $source->getScope(), $source->getSource()], [$id, 'project', $first->getSource()]);
        refused(409, fn () => $this->modules->createModuleSource($id, $first));
        $second = new ModuleSourceRequest(['source' => 'git+https://example.com/b']);
        $replaced = $this->modules->replaceModuleSource($id, $second);
        equal($this->modules->getModule($id)->getSources(), [$replaced]);
        $this->modules->deleteModuleSource($id);
        refused(404, fn () => $this->modules->deleteModuleSource($id));
    }

    private function makePlans(string $profile): void
    {
        $overlay = ['zen' => new AgentOverlay(['content' => 'Be quick.'])];
        $request = new MountPlanRequest(['profile_id' => $profile, 'agent_overlay' => $overlay]);
        $generated = $this->planOf($this->plans->generateMountPlanRequest($request), MountPlan::class);
        equal(array_map(fn ($mount) => $mount->getResolved(), $generated->getMountPoints()), [true, true]);
        equal($generated->getAgents()["{$profile}.agent.zen"]->getContent(), 'Be quick.');
        $body = new CreateSessionRequest(['profile' => $profile]);
        $session = $this->sessions->createSession(create_session_request: $body);
        $id = $session->getId();
        $plan = $this->planOf($this->plans->getSessionMountPlanRequest($id), MountPlan::class);
        equal($plan->getSession()->getSessionId(), $id);
        equal($plan->getAgents()["{$profile}.agent.zen"]->getContent(), 'You are calm.');
        $kernel = $this->planOf($this->plans->getSessionMountPlanRequest($id, form: 'kernel'), KernelPlan::class);
        equal([$kernel->getTools()[0]->getModule(), $kernel->getTools()[0]->getConfig()], ['tool-bash', ['timeout' => 9]]);
        $this->sessions->deleteSession($id);
    }

    /** A plan as its own class: the one class that the generated methods read has the members of both. */
    private function planOf(RequestInterface $request, string $class): MountPlan|KernelPlan
    {
        return ObjectSerializer::deserialize((string) $this->client->send($request)->getBody(), $class);
    }

    public function open(): Session
    {
        $body = new CreateSessionRequest(['context' => ['task' => 'clients'], 'amplified_dir' => DIRECTORY]);
        $session = $this->sessions->createSession(create_session_request: $body);
        equal([$session->getProfile(), $session->getAmplifiedDir(), $session->getMessageCount()], [PROFILE, DIRECTORY, 0]);
        equal($session->getContext(), ['task' => 'clients']);
        return $session;
    }

    public function readBack(Session $session): void
    {
        equal((string) $this->sessions->getSession($session->getId()), (string) $session);
        equal($this->sessions->getSessionProfile($session->getId())->getName(), PROFILE);
    }

    /** @param array<string, mixed> $body */
    private function send(Session $session, array $body): Message
    {
        return $this->messages->sendMessage($session->getId(), new SendMessageRequest($body));
    }

    /** @return list<int> */
    private function sequences(array $messages): array
    {
        return array_map(fn (Message $message) => $message->getSequence(), $messages);
    }

    public function sendMessages(Session $session): void
    {
        $sent = array_map(fn (array $body) => $this->send($session, $body), MESSAGES);
        equal($this->sequences($sent), [1, 2, 3]);
        equal(array_map(fn (Message $it) => $it->getMetadata(), $sent), [['source' => 'clients'], [], []]);
    }

    public function follow(Session $session): void
    {
        // The generated method waits for the end of the stream; its request is sent by a client that does not.
        $request = $this->events->streamSessionEventsRequest($session->getId(), after_sequence: 0);
        $body = $this->client->send($request, ['stream' => true])->getBody();
        [$kind, $sequences] = ['', []];
        while (count($sequences) < count(MESSAGES)) {
            [$field, $value] = [...explode(': ', rtrim(Utils::readLine($body)), 2), ''];
            $kind = $field === 'event' ? $value : $kind;
            if ($field === 'data' && $kind === 'message') {
                $sequences[] = json_decode($value)->sequence;
            }
        }
        $body->close();
        equal($sequences, [1, 2, 3]);
    }

    public function sendParts(): void
    {
        $session = $this->open();
        $input = '{ "city": "Paris" }';
        $text = new TextPart(['type' => TextPartType::TEXT, 'text' => 'Let me look.']);
        $call = ['type' => ToolCallPartType::TOOL_CALL, 'call' => 'call_1', 'name' => 'weather', 'input' => $input];
        $usage = new UsageRequest(['input_tokens' => 120, 'cost' => '0.0042']);
        $body = ['role' => Role::ASSISTANT, 'parts' => [$text, new ToolCallPart($call)], 'usage' => $usage];
        $sent = $this->send($session, $body);
        equal($sent->getContent(), 'Let me look.');
        equal(array_map(fn (Part $part) => $part->getType(), $sent->getParts()), ['text', 'tool_call']);
        $waiting = $this->messages->listMessages($session->getId(), open_calls: true)->getMessages();
        equal(array_map(fn (Message $it) => $it->getParts()[1]->getInput(), $waiting), [$input]);
        $total = $this->sessions->getSession($session->getId())->getUsage();
        equal([$total->getInputTokens(), $total->getCost(), $total->getCurrency()], [120, '0.0042', 'USD']);
        $this->sessions->deleteSession($session->getId());
    }

    public function correctMessage(): void
    {
        $session = $this->open();
        $id = $session->getId();
        $this->send($session, ['content' => 'Helo!', 'metadata' => ['kept' => true]]);
        $patch = new MessagePatch(['content' => 'Hello!', 'metadata' => ['rating' => 5]]);
        $edited = $this->messages->updateMessage($id, 1, $patch);
        equal([$edited->getContent(), $edited->getVersion()], ['Hello!', 2]);
        equal($edited->getMetadata(), ['kept' => true, 'rating' => 5]);
        check('The message is not marked as edited.', $edited->getEditedAt() instanceof DateTime);
        equal(refused(412, fn () => $this->messages->deleteMessage($id, 1, if_match: '"1"'))->getVersion(), 2);
        $left = $this->messages->deleteMessage($id, 1);
        equal([$left->getContent(), $left->getVersion(), $left->getMetadata()], ['', 3, []]);
        check('The message is not marked as deleted.', $left->getDeletedAt() instanceof DateTime);
        $this->sessions->deleteSession($id);
    }

    public function sendFile(): void
    {
        $file = $this->files->createFile(media: 'image/png', name: 'a.png', body: PICTURE);
        equal([$file->getSize(), $file->getMedia(), $file->getName()], [strlen(PICTURE), 'image/png', 'a.png']);
        $session = $this->open();
        $part = ['type' => FilePartType::FILE, 'media' => $file->getMedia(), 'url' => $file->getUrl()];
        $this->send($session, ['parts' => [new FilePart($part)]]);
        equal($this->bytesOf($this->files->getFile($file->getId())), PICTURE);
        equal($this->bytesOf($this->files->getFile($file->getId(), range: 'bytes=1-3')), substr(PICTURE, 1, 3));
        refused(409, fn () => $this->files->deleteFile($file->getId()));
        $this->sessions->deleteSession($session->getId());
        equal($this->files->listFiles(), []);
    }

    private function bytesOf(SplFileObject $file): string
    {
        $bytes = file_get_contents($file->getPathname());
        unlink($file->getPathname());
        return $bytes;
    }

    public function importHistory(): void
    {
        $payload = '{"id": "tides", "messages": [{"role": "user", "content": "Why tides?"}]}' . "\n{broken\n";
        foreach ([1, 0] as $sessions) {
            $report = $this->transfer->importSessions($payload, format: 'auto');
            equal([$report->getSessions(), $report->getMessages()], [$sessions, $sessions]);
            [$format] = $report->getHistory()->getFormats();
            equal([$format->getFormat(), $format->getFiles()], ['openai-messages', 1]);
            [$fault] = $report->getHistory()->getNotUnderstood();
            equal([$fault->getKind(), $fault->getPlaces()[0]->getLine()], ['not JSON', 2]);
        }
        refused(422, fn () => $this->transfer->importSessions('x', format: 'auto'));
        [$imported] = $this->sessions->listSessions(label: ['source-id:tides']);
        $this->sessions->deleteSession($imported->getId());
    }

    public function exportAndImport(Session $session): void
    {
        $exported = $this->bytesOf($this->transfer->exportSession($session->getId()));
        equal(array_keys(json_decode(explode("\n", $exported)[1], true)), ['session']);
        $report = $this->transfer->importSessions($exported, on_conflict: OnConflict::SKIP);
        equal([$report->getSessions(), $report->getSkipped()], [0, 1]);
        $broken = str_replace('"sequence":2', '"sequence":"2"', $exported);
        $problem = refused(422, fn () => $this->transfer->importSessions($broken, on_conflict: OnConflict::SKIP));
        $pointers = array_map(fn ($error) => $error->getPointer(), $problem->getErrors());
        check($problem->getDetail(), in_array('/message/sequence', $pointers, true));
    }

    public function keepOwnFacts(): void
    {
        $began = new DateTime('2023-03-01T10:00:00+01:00');
        $labels = ['origin' => 'clients', 'topic' => 'a:b'];
        $id = vsprintf('%s%s-%s-%s-%s-%s%s%s', str_split(bin2hex(random_bytes(16)), 4));
        $own = new CreateSessionRequest(['id' => $id, 'created_at' => $began, 'labels' => $labels, 'pinned' => true]);
        $session = $this->sessions->createSession(create_session_request: $own);
        equal([$session->getId(), $session->getLabels()], [$id, $labels]);
        equal($session->getCreatedAt()->getTimestamp(), $began->getTimestamp());
        $body = ['content' => 'Hello!', 'id' => 'msg_1', 'timestamp' => $began];
        equal($this->send($session, $body)->getTimestamp()->getTimestamp(), $began->getTimestamp());
        equal(refused(409, fn () => $this->send($session, $body))->getSequence(), 1);
        equal($this->sequences($this->messages->listMessages($id, id: 'msg_1')->getMessages()), [1]);
        $this->findByLabelsAndTimes($session, $began);
        $this->sessions->deleteSession($id);
    }

    private function findByLabelsAndTimes(Session $session, DateTime $began): void
    {
        // The generated code cannot write a `DateTime` into a query.
        $after = (clone $began)->modify('+1 second')->format(DateTime::ATOM);
        [$found, , $headers] = $this->sessions->listSessionsWithHttpInfo(
            label: ['origin:clients', 'topic'],
            status: [SessionStatus::ACTIVE, SessionStatus::FAILED],
            created_after: (clone $began)->modify('-1 second')->format(DateTime::ATOM),
            created_before: $after,
            archived: false,
            total: true,
        );
        $facts = fn ($summary) => [$summary->getId(), $summary->getLastMessage()->getContent()];
        equal(array_map($facts, $found), [[$session->getId(), 'Hello!']]);
        equal(array_change_key_case($headers)['x-total-count'], ['1']);
        equal($this->sessions->listSessions(label: ['origin:clients'], created_after: $after), []);
    }

    public function readTranscript(Session $session): void
    {
        $messages = $this->messages->listMessages($session->getId())->getMessages();
        equal(array_map(fn (Message $it) => $it->getRole(), $messages), [Role::USER, Role::ASSISTANT, Role::TOOL]);
        equal(array_map(fn (Message $it) => $it->getContent(), $messages), array_column(MESSAGES, 'content'));
        $page = $this->messages->listMessages($session->getId(), limit: 2, before_sequence: 3);
        equal($this->sequences($page->getMessages()), [1, 2]);
    }

    public function pageThroughSessions(Session $session): void
    {
        $second = $this->open();
        [$page, , $headers] = $this->sessions->listSessionsWithHttpInfo(limit: 1);
        equal(array_map(fn ($summary) => $summary->getId(), $page), [$second->getId()]);
        preg_match('/<([^>]*)>; rel="next"/', array_change_key_case($headers)['link'][0], $target);
        parse_str(parse_url($target[1], PHP_URL_QUERY), $query);
        [$next] = $this->sessions->listSessions(limit: 1, cursor: $query['cursor']);
        equal($next->getId(), $session->getId());
        $this->sessions->deleteSession($second->getId());
    }

    public function search(Session $session): void
    {
        $id = $session->getId();
        $before = $this->sessions->getSession($id)->getUpdatedAt();
        check('updatedAt did not move on.', $this->sessions->resumeSession($id)->getUpdatedAt() > $before);
        $hits = $this->searches->searchMessages('resum* mean', session_id: $id);
        equal(array_map(fn ($hit) => $hit->getSequence(), $hits), [1]);
        check($hits[0]->getSnippet(), str_contains($hits[0]->getSnippet(), '<mark>résumé</mark>'));
        $similar = $this->searches->searchMessages('resum* mean', mode: SearchMode::HYBRID, session_id: $id);
        $sequences = array_map(fn ($hit) => $hit->getSequence(), $similar);
        check('A search by meaning does not find the first message.', in_array(1, $sequences, true));
        equal(array_map(fn ($it) => $it->getQ(), $this->searches->suggestSearches('resmue')), ['resume']);
        $old = new CleanUpRequest(['older_than_days' => 1, 'status' => [SessionStatus::ACTIVE]]);
        $report = $this->sessions->cleanUpSessions($old);
        equal([$report->getDryRun(), $report->getSessions()], [true, 0]);
        $filter = new SessionFilter(['ids' => [$id], 'roots' => true]);
        $found = $this->sessions->deleteSessions(new SessionDeletion(['filter' => $filter, 'dry_run' => true]));
        equal([$found->getDryRun(), $found->getSessionIds()], [true, [$id]]);
    }

    public function fork(Session $session): void
    {
        $body = new ForkSessionRequest(['at_sequence' => 1, 'name' => 'Branch']);
        $branch = $this->sessions->forkSession($session->getId(), fork_session_request: $body);
        equal([$branch->getParentSessionId(), $branch->getMessageCount()], [$session->getId(), 1]);
        [$child] = $this->sessions->getSessionLineage($session->getId())->getChildren();
        equal($child->getId(), $branch->getId());
        equal($this->sessions->completeSession($branch->getId())->getStatus(), SessionStatus::COMPLETED);
        $detail = refused(409, fn () => $this->send($branch, ['content' => 'Too late.']))->getDetail();
        check($detail, str_ends_with($detail, 'resume it first'));
        $this->sessions->deleteSession($branch->getId());
    }

    public function readOddities(): void
    {
        $summaries = $this->sessions->listSessions(name: 'Oddity');
        check('No oddities were found.', count($summaries) > 1);
        foreach ($summaries as $summary) {
            [$message] = $this->messages->listMessages($summary->getId())->getMessages();
            equal($message->getMetadata(), $this->sessions->getSession($summary->getId())->getContext());
            equal($message->getContent(), ODDITY);
        }
    }

    public function readNobody(): void
    {
        $problem = refused(404, fn () => $this->sessions->getSession(NOBODY));
        equal($problem->getDetail(), 'Session ' . NOBODY . ' not found');
    }

    public function breakSchema(Session $session): void
    {
        $metadata = [];
        for ($number = 0; $number < 1025; $number++) {
            $metadata["key{$number}"] = $number;
        }
        // The generated setter refuses it; the model as an array does not.
        $body = new SendMessageRequest(['content' => '']);
        $body['metadata'] = $metadata;
        $problem = refused(422, fn () => $this->messages->sendMessage($session->getId(), $body));
        equal(array_map(fn ($error) => $error->getPointer(), $problem->getErrors()), ['/metadata']);
    }

    public function tidyUp(Session $session): void
    {
        $id = $session->getId();
        $this->sessions->deleteSession($id);
        equal(refused(404, fn () => $this->sessions->getSession($id))->getDetail(), "Session {$id} not found");
        $this->directories->deleteAmplifiedDirectory(DIRECTORY);
        $this->profiles->deleteProfile(PROFILE);
        $detail = refused(404, fn () => $this->profiles->getProfile(PROFILE))->getDetail();
        check($detail, str_starts_with($detail, 'Profile ' . PROFILE . ' not found'));
    }

    public function askDaemon(): void
    {
        equal($this->service->getLive()->getStatus(), LivenessStatus::ALIVE);
        equal($this->service->getHealth()->getStatus(), HealthStatus::HEALTHY);
        equal($this->service->getStatus()->getStatus(), ServiceState::RUNNING);
    }
}

function step(string $name, Closure $play): mixed
{
    try {
        return $play();
    } catch (Throwable $error) {
        fwrite(STDERR, "The step “{$name}” failed: {$error->getMessage()}\n{$error->getTraceAsString()}\n");
        exit(1);
    }
}

// Otherwise a boolean in a query is 0 or 1; only the default configuration is asked for it.
$configuration = Configuration::getDefaultConfiguration()->setHost($argv[1])->setAccessToken($argv[2] ?? '');
$configuration->setBooleanFormatForQueryString(Configuration::BOOLEAN_FORMAT_STRING);
$conversation = new Conversation(new Client(), $configuration);
step('create a profile and a directory', $conversation->prepare(...));
step('read collections and modules', $conversation->readCollections(...));
step('run with a collection', $conversation->runWithCollection(...));
$session = step('create a session', $conversation->open(...));
step('read it back', fn () => $conversation->readBack($session));
step('send three messages', fn () => $conversation->sendMessages($session));
step('follow the session', fn () => $conversation->follow($session));
step('send parts', $conversation->sendParts(...));
step('correct and delete a message', $conversation->correctMessage(...));
step('send a file', $conversation->sendFile(...));
step('import a history', $conversation->importHistory(...));
step('keep own ids, times and labels', $conversation->keepOwnFacts(...));
step('read the transcript and its pages', fn () => $conversation->readTranscript($session));
step('export the session and import it', fn () => $conversation->exportAndImport($session));
step('list sessions page by page', fn () => $conversation->pageThroughSessions($session));
step('resume the session and search', fn () => $conversation->search($session));
step('fork the session and end its branch', fn () => $conversation->fork($session));
step('read what few send', $conversation->readOddities(...));
step('read a session that does not exist', $conversation->readNobody(...));
step('send a message that breaks the schema', fn () => $conversation->breakSchema($session));
step('delete what was created', fn () => $conversation->tidyUp($session));
step('ask for health and status', $conversation->askDaemon(...));
echo "conversation passed\n";
