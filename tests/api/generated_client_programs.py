"""Programs that use the generated clients, and print the same.

Their arguments are the address of the service and a key; photos are in the working directory.
"""

PYTHON_PROGRAM = """
import base64, builtins, json, sys
from io import BytesIO
from pathlib import Path

from sima_client.types import Unset
builtins.Unset = Unset  # the generator forgets this import where a call has no parameters (0.29.1)
from sima_client import AuthenticatedClient, models
from sima_client.api.faces import detect, enroll, identify, verify
from sima_client.api.persons import change_person, delete_person, get_person, list_persons
from sima_client.api.words import create_embeddings, nearest_to_word, upload_vocabulary
from sima_client.api.zero_shot import score_labels
from sima_client.types import File

client = AuthenticatedClient(
    base_url=sys.argv[1], token=sys.argv[2], prefix="", auth_header_name="X-API-Key")

def file(name):
    return File(payload=BytesIO(Path(name + ".jpg").read_bytes()), file_name=name)

found = {"decisions": [], "names": [], "verified": []}
detected = detect.sync(client=client, body=models.DetectFilesBody(image=file("obama")))
found["detected"] = len(detected.faces)
enrolled = enroll.sync(client=client, body=models.EnrollFilesBody(
    image=file("obama"), name="Barack",
    metadata=models.EnrollFilesBodyMetadata.from_dict({"party": "D"})))
encoded = base64.b64encode(file("biden").payload.read()).decode()
for body in (
    models.IdentifyFilesBody(image=file("obama2"), top_k=3),
    file("obama2"),
    models.IdentifyJsonBody(image=encoded, top_k=3),
):
    [face] = identify.sync(client=client, body=body).faces
    found["decisions"].append(str(face.decision))
    found["names"].append(face.person.name if face.person else None)
for other in ("obama2", "biden"):
    body = models.VerifyFilesBody(image_a=file("obama"), image_b=file(other))
    found["verified"].append(verify.sync(client=client, body=body).verified)

person_id = enrolled.person_id
change_person.sync(person_id, client=client, body=models.PersonChanges(name="Obama"))
page = list_persons.sync(client=client, name="oba", limit=5)
found["listed"] = [[one.name, one.metadata.to_dict()] for one in page.persons]

vectors = File(payload=BytesIO(b"orange 1 0\\njuice 0.9 0.1\\nengine 0 1\\n"), file_name="v.txt")
upload_vocabulary.sync(
    client=client, body=models.UploadVocabularyBody(file=vectors, name="python"))
near = nearest_to_word.sync("orange", client=client, k=1, vocabulary="python")
found["neighbors"] = [one.word for one in near.neighbors]
request = models.EmbeddingsRequest(model="python", input_="engine")
found["embedding"] = create_embeddings.sync(client=client, body=request).data[0].embedding
request = models.ScoreLabelsJsonBody(
    text="juice", labels=["engine", "orange"], vocabulary="python")
found["labels"] = sorted(score_labels.sync(client=client, body=request).labels)

problem = get_person.sync("nobody", client=client)
found["refused"] = [problem.status, problem.code]
delete_person.sync_detailed(person_id, client=client)
found["left"] = len(list_persons.sync(client=client).persons)
print(json.dumps(found))
"""

TYPESCRIPT_PROGRAM = """
import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

const [baseUrl, key] = process.argv.slice(2) as [string, string];
const api = createClient<paths>({ baseUrl, headers: { "X-API-Key": key } });
const photo = (name: string): Buffer => readFileSync(`${name}.jpg`);
const image = (name: string): string => photo(name).toString("base64");

async function answer<T>(call: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await call;
  if (data === undefined) throw new Error(JSON.stringify(error));
  return data;
}

const detected = await answer(api.POST("/detect", { body: { image: image("obama") } }));
const enrolled = await answer(api.POST("/enroll", {
  body: { image: image("obama"), name: "Barack", metadata: { party: "D" } },
}));
if (!("person_id" in enrolled)) throw new Error("it was not a dry run");
const json = (name: string) =>
  answer(api.POST("/identify", { body: { image: image(name), top_k: 3 } }));
const raw = await answer(api.POST("/identify", {
  params: { query: { top_k: 3 } },
  body: photo("obama2") as unknown as string,
  bodySerializer: (body) => body as unknown as BodyInit,
  headers: { "Content-Type": "image/jpeg" },
}));
const faces = [await json("obama2"), raw, await json("biden")].map((one) => one.faces[0]);
const verified: boolean[] = [];
for (const other of ["obama2", "biden"]) {
  const body = { image_a: image("obama"), image_b: image(other) };
  verified.push((await answer(api.POST("/verify", { body }))).verified);
}

const path = { person_id: enrolled.person_id as string };
await answer(api.PATCH("/persons/{person_id}", { params: { path }, body: { name: "Obama" } }));
const page = await answer(api.GET("/persons", { params: { query: { name: "oba", limit: 5 } } }));

const file = "orange 1 0\\njuice 0.9 0.1\\nengine 0 1\\n";
await answer(api.POST("/vocabularies", {
  body: { file, name: "typescript" },
  bodySerializer: (body) => {
    const form = new FormData();
    form.append("file", new Blob([body.file]), "v.txt");
    form.append("name", body.name);
    return form;
  },
}));
const near = await answer(api.GET("/words/{word}/nearest", {
  params: { path: { word: "orange" }, query: { k: 1, vocabulary: "typescript" } },
}));
const embedded = await answer(api.POST("/v1/embeddings", {
  body: { model: "typescript", input: "engine" },
}));
const scored = await answer(api.POST("/zero-shot/score", {
  body: { text: "juice", labels: ["engine", "orange"], vocabulary: "typescript" },
}));

const nobody = { params: { path: { person_id: "nobody" } } };
const { error } = await api.GET("/persons/{person_id}", nobody);
await api.DELETE("/persons/{person_id}", { params: { path } });
const left = await answer(api.GET("/persons"));
console.log(JSON.stringify({
  detected: detected.faces.length,
  decisions: faces.map((face) => face?.decision),
  names: faces.map((face) => face?.person?.name ?? null),
  verified,
  listed: page.persons.map((one) => [one.name, one.metadata]),
  neighbors: near.neighbors.map((one) => one.word),
  embedding: embedded.data[0]?.embedding,
  labels: [...scored.labels].sort(),
  refused: [error?.status, error?.code],
  left: left.persons.length,
}));
"""
