// The objects of JMAP as the server sends them: RFC 8620 (core), 8621 (mail), 9425 (quotas) and
// the extension `urn:depesche:account` (doc/jmap-extensions.md).

export type Id = string;
export type State = string;

export const CORE = 'urn:ietf:params:jmap:core';
export const MAIL = 'urn:ietf:params:jmap:mail';
export const SUBMISSION = 'urn:ietf:params:jmap:submission';
export const VACATION = 'urn:ietf:params:jmap:vacationresponse';
export const BLOB = 'urn:ietf:params:jmap:blob';
export const QUOTA = 'urn:ietf:params:jmap:quota';
export const ACCOUNT = 'urn:depesche:account';

export interface CoreLimits {
  maxSizeUpload: number;
  maxConcurrentUpload: number;
  maxSizeRequest: number;
  maxConcurrentRequests: number;
  maxCallsInRequest: number;
  maxObjectsInGet: number;
  maxObjectsInSet: number;
}

export interface OwnAccount {
  address: string;
  language: 'de' | 'en';
  passwordMinLength: number;
  passwordMaxLength: number;
  undeleteDays: number;
  lockout: { tolerated: number; windowSeconds: number; closeSeconds: number };
  host: string;
}

export interface Session {
  capabilities: Record<string, unknown>;
  accounts: Record<Id, { name: string; accountCapabilities: Record<string, unknown> }>;
  primaryAccounts: Record<string, Id>;
  username: string;
  apiUrl: string;
  downloadUrl: string;
  uploadUrl: string;
  eventSourceUrl: string;
  state: State;
}

export type Role = 'inbox' | 'drafts' | 'sent' | 'junk' | 'trash' | 'archive' | 'all' | 'flagged' | 'important';

export interface Mailbox {
  id: Id;
  name: string;
  parentId: Id | null;
  role: Role | null;
  sortOrder: number;
  totalEmails: number;
  unreadEmails: number;
  totalThreads: number;
  unreadThreads: number;
  isSubscribed: boolean;
  myRights: {
    mayReadItems: boolean;
    mayAddItems: boolean;
    mayRemoveItems: boolean;
    maySetSeen: boolean;
    maySetKeywords: boolean;
    mayCreateChild: boolean;
    mayRename: boolean;
    mayDelete: boolean;
    maySubmit: boolean;
  };
}

export interface Thread {
  id: Id;
  emailIds: Id[];
}

export interface EmailAddress {
  name: string | null;
  email: string;
}

export interface BodyPart {
  partId: string | null;
  blobId: Id | null;
  size: number;
  name: string | null;
  type: string;
  charset: string | null;
  disposition: string | null;
  cid: string | null;
  subParts?: BodyPart[] | null;
}

export interface BodyValue {
  value: string;
  isEncodingProblem?: boolean;
  isTruncated?: boolean;
}

export interface Email {
  id: Id;
  blobId: Id;
  threadId: Id;
  mailboxIds: Record<Id, boolean>;
  keywords: Record<string, boolean>;
  size: number;
  receivedAt: string;
  sentAt: string | null;
  messageId: string[] | null;
  inReplyTo: string[] | null;
  references: string[] | null;
  from: EmailAddress[] | null;
  sender: EmailAddress[] | null;
  to: EmailAddress[] | null;
  cc: EmailAddress[] | null;
  bcc: EmailAddress[] | null;
  replyTo: EmailAddress[] | null;
  subject: string | null;
  hasAttachment: boolean;
  preview: string;
  bodyStructure: BodyPart;
  bodyValues: Record<string, BodyValue>;
  textBody: BodyPart[];
  htmlBody: BodyPart[];
  attachments: BodyPart[];
  'header:Authentication-Results:asText:all'?: string[];
  'header:List-Unsubscribe:asURLs'?: string[] | null;
}

/** What a row of the list needs. */
export type EmailRow = Pick<
  Email,
  | 'id' | 'threadId' | 'mailboxIds' | 'keywords' | 'size' | 'receivedAt' | 'from' | 'to' | 'subject'
  | 'hasAttachment' | 'preview'
>;
export const ROW_PROPERTIES = [
  'id', 'threadId', 'mailboxIds', 'keywords', 'size', 'receivedAt', 'from', 'to', 'subject',
  'hasAttachment', 'preview',
] as const;

/** What a row needs of the other messages of its conversation. */
export type EmailBrief = Pick<Email, 'id' | 'threadId' | 'mailboxIds' | 'keywords' | 'receivedAt' | 'from'>;
export const BRIEF_PROPERTIES = ['id', 'threadId', 'mailboxIds', 'keywords', 'receivedAt', 'from'] as const;

export const FULL_PROPERTIES = [
  ...ROW_PROPERTIES, 'blobId', 'sentAt', 'messageId', 'inReplyTo', 'references', 'sender', 'cc', 'bcc',
  'replyTo', 'bodyStructure', 'bodyValues', 'textBody', 'htmlBody', 'attachments',
  'header:Authentication-Results:asText:all', 'header:List-Unsubscribe:asURLs',
] as const;
export const BODY_PROPERTIES = [
  'partId', 'blobId', 'size', 'name', 'type', 'charset', 'disposition', 'cid', 'subParts',
] as const;

export interface EmailCondition {
  inMailbox?: Id;
  inMailboxOtherThan?: Id[];
  before?: string;
  after?: string;
  minSize?: number;
  maxSize?: number;
  hasKeyword?: string;
  notKeyword?: string;
  someInThreadHaveKeyword?: string;
  hasAttachment?: boolean;
  text?: string;
  from?: string;
  to?: string;
  cc?: string;
  bcc?: string;
  subject?: string;
  body?: string;
}
export type EmailFilter = EmailCondition | { operator: 'AND' | 'OR' | 'NOT'; conditions: EmailFilter[] };

export interface Comparator {
  property: string;
  isAscending?: boolean;
}

export interface SearchSnippet {
  emailId: Id;
  subject: string | null;
  preview: string | null;
}

export interface Identity {
  id: Id;
  name: string;
  email: string;
  replyTo: EmailAddress[] | null;
  bcc: EmailAddress[] | null;
  textSignature: string;
  htmlSignature: string;
  mayDelete: boolean;
}

export interface EmailSubmission {
  id: Id;
  identityId: Id;
  emailId: Id;
  threadId: Id;
  envelope: {
    mailFrom: { email: string; parameters: Record<string, string | null> | null };
    rcptTo: { email: string; parameters: Record<string, string | null> | null }[];
  } | null;
  sendAt: string;
  undoStatus: 'pending' | 'final' | 'canceled';
  deliveryStatus: Record<string, { smtpReply: string; delivered: string; displayed: string }> | null;
}

export interface VacationResponse {
  id: 'singleton';
  isEnabled: boolean;
  fromDate: string | null;
  toDate: string | null;
  subject: string | null;
  textBody: string | null;
  htmlBody: string | null;
}

export interface Quota {
  id: Id;
  resourceType: 'count' | 'octets';
  used: number;
  hardLimit: number;
  softLimit?: number | null;
  warnLimit?: number | null;
  scope: string;
  name: string;
  types: string[];
}

export interface ClientSession {
  id: Id;
  kind: 'web' | 'imap' | 'submission';
  current: boolean;
  created: string;
  lastUsed: string | null;
  address: string;
  agent: string | null;
}

export interface DeletedEmail {
  id: Id;
  emailId: Id;
  mailbox: string;
  subject: string | null;
  from: string | null;
  preview: string;
  size: number;
  receivedAt: string;
  deletedAt: string;
  until: string;
}

export type Travel =
  | 'local' | 'dane' | 'verified' | 'encrypted' | 'maybe' | 'clear' | 'nowhere' | 'unknown';

/** What the webmail keeps with Settings/set. Absent members have the defaults of state/settings. */
export interface Settings {
  language?: 'de' | 'en' | null;
  theme?: 'light' | 'dark' | null;
  density?: 'cosy' | 'compact' | null;
  conversations?: boolean | null;
  imagesFrom?: string[] | null;
  plainText?: boolean | null;
  undoSeconds?: number | null;
  composer?: Record<string, unknown> | null;
}

export interface SetError {
  type: string;
  description?: string | null;
  properties?: string[];
  existingId?: Id;
  notFound?: Id[];
}

export interface GetResponse<T> {
  accountId: Id;
  state: State;
  list: T[];
  notFound: Id[];
}
export interface ChangesResponse {
  accountId: Id;
  oldState: State;
  newState: State;
  hasMoreChanges: boolean;
  created: Id[];
  updated: Id[];
  destroyed: Id[];
  updatedProperties?: string[] | null;
}
export interface QueryResponse {
  accountId: Id;
  queryState: State;
  canCalculateChanges: boolean;
  position: number;
  ids: Id[];
  total?: number;
  limit?: number;
}
export interface QueryChangesResponse {
  accountId: Id;
  oldQueryState: State;
  newQueryState: State;
  total?: number;
  removed: Id[];
  added: { id: Id; index: number }[];
}
export interface SetResponse<T> {
  accountId: Id;
  oldState: State | null;
  newState: State;
  created: Record<Id, Partial<T> & { id: Id }> | null;
  updated: Record<Id, Partial<T> | null> | null;
  destroyed: Id[] | null;
  notCreated: Record<Id, SetError> | null;
  notUpdated: Record<Id, SetError> | null;
  notDestroyed: Record<Id, SetError> | null;
}

/** A back-reference (RFC 8620 3.7): the argument's name gets a '#' in front. */
export interface ResultReference {
  resultOf: string;
  name: string;
  path: string;
}

export type Patch = Record<string, unknown>;

interface GetArgs<T> {
  ids?: readonly Id[] | null;
  '#ids'?: ResultReference;
  properties?: readonly (keyof T & string)[] | readonly string[] | null;
}
interface SetArgs {
  ifInState?: State;
  create?: Record<Id, object>;
  update?: Record<Id, Patch>;
  destroy?: Id[];
}
interface ChangesArgs {
  sinceState: State;
  maxChanges?: number;
}
export interface EmailQueryArgs {
  filter?: EmailFilter | null;
  sort?: Comparator[];
  position?: number;
  anchor?: Id;
  anchorOffset?: number;
  limit?: number;
  calculateTotal?: boolean;
  collapseThreads?: boolean;
}

/** Every method that is called: its arguments (without accountId) and its answer. */
export interface Methods {
  'Core/echo': [Record<string, unknown>, Record<string, unknown>];
  'Mailbox/get': [GetArgs<Mailbox> & { '#properties'?: ResultReference }, GetResponse<Mailbox>];
  'Mailbox/changes': [ChangesArgs, ChangesResponse];
  'Mailbox/set': [SetArgs & { onDestroyRemoveEmails?: boolean }, SetResponse<Mailbox>];
  'Thread/get': [GetArgs<Thread>, GetResponse<Thread>];
  'Email/get': [
    GetArgs<Email> & {
      bodyProperties?: readonly string[];
      fetchTextBodyValues?: boolean;
      fetchHTMLBodyValues?: boolean;
      fetchAllBodyValues?: boolean;
      maxBodyValueBytes?: number;
    },
    GetResponse<Email>,
  ];
  'Email/changes': [ChangesArgs, ChangesResponse];
  'Email/query': [EmailQueryArgs, QueryResponse];
  'Email/queryChanges': [
    Omit<EmailQueryArgs, 'position' | 'anchor' | 'anchorOffset' | 'limit'> & {
      sinceQueryState: State;
      maxChanges?: number;
      upToId?: Id;
    },
    QueryChangesResponse,
  ];
  'Email/set': [SetArgs, SetResponse<Email>];
  'Email/import': [
    { emails: Record<Id, { blobId: Id; mailboxIds: Record<Id, boolean>; keywords?: Record<string, boolean>; receivedAt?: string }> },
    SetResponse<Email>,
  ];
  'Email/parse': [
    {
      blobIds: Id[];
      properties?: readonly string[];
      bodyProperties?: readonly string[];
      fetchTextBodyValues?: boolean;
      fetchHTMLBodyValues?: boolean;
      fetchAllBodyValues?: boolean;
      maxBodyValueBytes?: number;
    },
    { parsed: Record<Id, Email> | null; notParsable: Id[] | null; notFound: Id[] | null },
  ];
  'SearchSnippet/get': [
    { filter: EmailFilter | null; emailIds?: readonly Id[]; '#emailIds'?: ResultReference },
    { list: SearchSnippet[]; notFound: Id[] | null },
  ];
  'Identity/get': [GetArgs<Identity>, GetResponse<Identity>];
  'Identity/set': [SetArgs, SetResponse<Identity>];
  'EmailSubmission/get': [GetArgs<EmailSubmission>, GetResponse<EmailSubmission>];
  'EmailSubmission/query': [
    { filter?: object | null; sort?: Comparator[]; position?: number; limit?: number; calculateTotal?: boolean },
    QueryResponse,
  ];
  'EmailSubmission/set': [
    SetArgs & { onSuccessUpdateEmail?: Record<Id, Patch>; onSuccessDestroyEmail?: Id[] },
    SetResponse<EmailSubmission>,
  ];
  'VacationResponse/get': [GetArgs<VacationResponse>, GetResponse<VacationResponse>];
  'VacationResponse/set': [SetArgs, SetResponse<VacationResponse>];
  'Quota/get': [GetArgs<Quota>, GetResponse<Quota>];
  'Password/check': [{ new: string; language: string }, { ok: boolean; reason: string | null; advice: string | null }];
  'Password/change': [{ old: string; new: string; language: string }, { endedSessions: number }];
  'ClientSession/get': [GetArgs<ClientSession>, GetResponse<ClientSession>];
  'ClientSession/set': [
    { destroy?: Id[]; destroyOthers?: boolean },
    { destroyed: Id[] | null; notDestroyed: Record<Id, SetError> | null },
  ];
  'Settings/get': [Record<string, never>, { state: State; settings: Settings }];
  'Settings/set': [{ ifInState?: State; patch: Settings }, { oldState: State; newState: State }];
  'DeletedEmail/query': [
    { position?: number; limit?: number },
    { position: number; total: number; list: DeletedEmail[] },
  ];
  'DeletedEmail/restore': [{ ids: Id[] }, { restored: number }];
  'Recipient/travel': [{ addresses: string[] }, { list: { address: string; travel: Travel; host: string }[] }];
}
export type Method = keyof Methods;
export type Args<M extends Method> = Methods[M][0];
export type Result<M extends Method> = Methods[M][1];
