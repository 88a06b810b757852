"use strict";
const welcome = `# Everything that can be read: press Ctrl-Space for suggestions,
# Ctrl-Enter to run. Every answer says how fresh it is, in "extensions".
{
  __schema {
    queryType { fields { name description } }
  }
}
`;
ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: "/graphql" }),
    defaultQuery: welcome,
  }),
);
