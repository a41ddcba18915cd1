import type { components } from "./build/openapi.js";

type Schemas = components["schemas"];

export type Session = Schemas["Session"];
export type SessionSummary = Schemas["SessionSummary"];
export type SessionStatus = Schemas["SessionStatus"];
export type SessionPatch = Schemas["SessionPatch"];
export type Lineage = Schemas["Lineage"];
export type Message = Schemas["Message"];
export type MessagePatch = Schemas["MessagePatch"];
export type Part = Schemas["Part"];
export type ToolCallPart = Schemas["ToolCallPart"];
export type ToolResultPart = Schemas["ToolResultPart"];
export type Transcript = Schemas["Transcript"];
export type SearchHit = Schemas["SearchHit"];
export type Profile = Schemas["Profile"];
export type ProfileSummary = Schemas["ProfileSummary"];
export type ProfilePatch = Schemas["ProfilePatch"];
export type Collection = Schemas["StoredCollection"];
export type CollectionSummary = Schemas["CollectionSummary"];
export type CollectionProblem = Schemas["CollectionProblem"];
export type DirectoryList = Schemas["DirectoryList"];
export type AmplifiedDirectory = Schemas["AmplifiedDirectory"];
export type DirectoryPatch = Schemas["DirectoryPatch"];
export type CreateDirectoryRequest = Schemas["CreateDirectoryRequest"];
export type ServiceStatus = Schemas["ServiceStatus"];
export type Problem = Schemas["Problem"];
