// The app's Home tab, as the app published it for the person one acts as.
import { html, useEffect } from "../lib.js";
import { BlockSurface } from "../blocks/surface.js";
import { Avatar } from "../parts/avatar.js";
import { loadHome } from "../state/doings.js";
import { me, session, userName } from "../state/session.js";
import { homeView } from "../state/views.js";
import { SidebarToggle } from "./sidebar.js";

export function Home({ app: id }) {
  const app = session.value.apps.find((known) => known.app_id === id) ?? session.value.apps[0];
  const user = me.value;
  useEffect(() => {
    loadHome(id);
  }, [id, user]);
  const view = homeView.value;
  const first = userName(user).split(" ")[0];
  return html`<section class="panel panel-main" aria-label=${`${app?.name} Home`} data-region="home">
    <header class="panel-head">
      <${SidebarToggle} />
      <h1><${Avatar} isApp size="tiny" name=${app?.name} />${app?.name}</h1>
      <p class="panel-topic">Home, as ${first} sees it</p>
    </header>
    <div class="home-scroll">
      ${
        view
          ? html`<div class="home">
              <${BlockSurface}
                key=${`${user}/${view.id}`}
                container=${{ type: "view", view_id: view.id }}
                blocks=${view.blocks}
              />
            </div>`
          : html`<div class="nothing-here">
              ${
                view === undefined
                  ? html`<p role="status">Opening ${app?.name}…</p>`
                  : html`<h2>Nothing here yet</h2>
                      <p>
                        ${app?.name} has not published a Home tab for ${first}. It appears here by itself when it does.
                      </p>`
              }
            </div>`
      }
    </div>
  </section>`;
}
